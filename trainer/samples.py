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
from trainer.manifest import Clip, LeftOut

Progress = Callable[[int, int, str], None]
"""done, total, what: called often."""

RATE_HZ = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The decoded clips of a run; `clips` in the manifest's order, without those that cannot be used."""

    clips: tuple[Clip, ...]
    left_out: tuple[LeftOut, ...]
    places: Mapping[str, tuple[int, int]]  # clip key -> first sample, number of samples
    samples: NDArray[np.int16]  # memory-mapped

    def of(self, clip: Clip) -> NDArray[np.int16]:
        start, length = self.places[clip.key]
        return self.samples[start : start + length]


def prepare(data: Path, run: Path, progress: Progress) -> Samples:
    """Decodes what the manifest of `data` names, unless the run's cache holds it already.

    Clips that are missing, damaged or without a label are left out, by name. Raises TaggerError where none is left.
    """
    clips, left_out = manifest.usable(manifest.read(data))
    cache = run / "cache"
    index = cache / "index.json"
    if not index.exists() or list(json.loads(index.read_text())) != [clip.key for clip in clips]:
        cache.mkdir(parents=True, exist_ok=True)
        _decode(clips, cache, progress)
    places = {key: tuple(place) for key, place in json.loads(index.read_text()).items()}
    damaged = {key for key, (_, length) in places.items() if length == 0}
    left_out += tuple(LeftOut(key=key, reason="cannot be decoded") for key in sorted(damaged))
    kept = tuple(clip for clip in clips if clip.key not in damaged)
    if not kept:
        raise TaggerError(f"{data / 'manifest.csv'}: {manifest.left_out_text(left_out) or 'no clip in it'}")
    samples = np.memmap(cache / "samples.i16", dtype=np.int16, mode="r")
    return Samples(clips=kept, left_out=left_out, places=places, samples=samples)


def _decode(clips: tuple[Clip, ...], cache: Path, progress: Progress) -> None:
    """A clip that cannot be decoded has no samples."""
    places: dict[str, tuple[int, int]] = {}
    position = 0
    with (cache / "samples.i16.part").open("wb") as file, clean_processes() as processes:
        decoded = processes.map(_straight, [os.fsencode(clip.path) for clip in clips], chunksize=8)
        for number, (clip, heard) in enumerate(zip(clips, decoded, strict=True), start=1):
            samples = np.zeros(0, dtype=np.int16) if isinstance(heard, Failure) else heard
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
