"""Every clip decoded once: one file of 16-bit samples, and where each clip lies in it."""

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagger.analysis.decode import straight
from tagger.records import Failure, TaggerError
from trainer import manifest
from trainer.manifest import Clip

Progress = Callable[[int, int, str], None]
"""done, total, what: called often."""

RATE_HZ = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The decoded clips of a run; `clips` in the manifest's order."""

    clips: tuple[Clip, ...]
    places: Mapping[str, tuple[int, int]]  # clip key -> first sample, number of samples
    samples: NDArray[np.int16]  # memory-mapped

    def of(self, clip: Clip) -> NDArray[np.int16]:
        start, length = self.places[clip.key]
        return self.samples[start : start + length]


def prepare(data: Path, run: Path, progress: Progress) -> Samples:
    """Decodes what the manifest of `data` names, unless the run's cache holds it already.

    Raises TaggerError for a clip that cannot be decoded: figures over fewer clips than the manifest's would mislead.
    """
    clips = manifest.read(data)
    cache = run / "cache"
    index = cache / "index.json"
    if not index.exists() or list(json.loads(index.read_text())) != [clip.key for clip in clips]:
        cache.mkdir(parents=True, exist_ok=True)
        _decode(clips, cache, progress)
    places = {key: tuple(place) for key, place in json.loads(index.read_text()).items()}
    return Samples(clips=clips, places=places, samples=np.memmap(cache / "samples.i16", dtype=np.int16, mode="r"))


def _decode(clips: tuple[Clip, ...], cache: Path, progress: Progress) -> None:
    places: dict[str, tuple[int, int]] = {}
    position = 0
    with (cache / "samples.i16.part").open("wb") as file, clean_processes() as processes:
        decoded = processes.map(_straight, [os.fsencode(clip.path) for clip in clips], chunksize=8)
        for number, (clip, samples) in enumerate(zip(clips, decoded, strict=True), start=1):
            if isinstance(samples, Failure):
                raise TaggerError(f"{clip.path}: {samples.reason}")
            file.write(samples.tobytes())
            places[clip.key] = (position, len(samples))
            position += len(samples)
            progress(number, len(clips), f"decode {clip.key}")
    (cache / "samples.i16.part").replace(cache / "samples.i16")
    (cache / "index.json").write_text(json.dumps(places))


def clean_processes() -> ProcessPoolExecutor:
    """Started clean: a fork of a process that has run torch can hang."""
    return ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))


def _straight(path: bytes) -> NDArray[np.int16] | Failure:
    return straight(path, RATE_HZ)
