"""The labelled clips as the network will hear them: chunks of the plan, as they are and in altered renderings."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tagger.analysis.chunks import ChunkPlan
from tagger.analysis.features import Features, FeatureSpec
from trainer import filterbanks
from trainer.augment import curve_db
from trainer.recipe import Recipe
from trainer.samples import Progress, Samples

PLAN = ChunkPlan()
Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crops:
    """Features of (clip, rendering, chunk); rendering 0 is the clip as it is, heard at the plan's places."""

    log_mel: Halves  # (clips, renderings, chunks, frames, n_mels)
    chroma: Halves  # (clips, renderings, chunks, chroma frames, n_chroma)


def prepare(run: Path, samples: Samples, recipe: Recipe, progress: Progress) -> Crops:
    """Computed once a run; resumes where it stopped."""
    folder = run / "crops"
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(samples.clips), recipe.fit.renderings, PLAN.chunks)
    arrays = _arrays(folder, shape, FeatureSpec())
    features, done_file = filterbanks.features(FeatureSpec()), folder / "done.json"
    done = int(json.loads(done_file.read_text())) if done_file.exists() else 0
    for number in range(done, len(samples.clips)):
        log_mel, chroma = _clip(samples, number, recipe, features)
        arrays["log_mel"][number], arrays["chroma"][number] = log_mel, chroma
        if (number + 1) % 50 == 0 or number + 1 == len(samples.clips):
            for array in arrays.values():
                array.flush()
            done_file.write_text(json.dumps(number + 1))
        progress(number + 1, len(samples.clips), "features of the labelled clips")
    return Crops(**arrays)


def _arrays(folder: Path, shape: tuple[int, int, int], spec: FeatureSpec) -> dict[str, np.memmap]:
    samples = int(PLAN.chunk_seconds * spec.sample_rate_hz)
    inner = {
        "log_mel": (samples // spec.hop_length + 1, spec.n_mels),
        "chroma": (samples // spec.chroma_hop_length + 1, spec.n_chroma),
    }
    return {
        name: np.memmap(
            folder / name,
            dtype=np.float16,
            mode="r+" if (folder / name).exists() else "w+",
            shape=(*shape, *sizes),
        )
        for name, sizes in inner.items()
    }


def _clip(samples: Samples, number: int, recipe: Recipe, features: Features) -> tuple[Halves, Halves]:
    spec = features.spec
    whole = samples.of(samples.clips[number]).astype(np.float32) / 32_768
    generator = np.random.default_rng((recipe.seed, number))
    length = int(PLAN.chunk_seconds * spec.sample_rate_hz)
    log_mels, chromas = [], []
    for rendering in range(recipe.fit.renderings):
        starts = _starts(len(whole), length, spec, None if rendering == 0 else generator)
        chunks = torch.from_numpy(np.stack([np.resize(whole[start : start + length], length) for start in starts]))
        with torch.inference_mode():
            power, chroma = features.power(chunks), features.chroma(chunks)
            if rendering:
                hz = np.linspace(0, spec.sample_rate_hz / 2, power.shape[-1])
                power = power * torch.from_numpy(10 ** (curve_db(generator, recipe.pool, hz) / 10))
            log_mels.append(features.log_mel(power).half().numpy())
            chromas.append(chroma.half().numpy())
    return np.stack(log_mels), np.stack(chromas)


def _starts(samples: int, length: int, spec: FeatureSpec, generator: np.random.Generator | None) -> list[int]:
    """The plan's places, repeated where a short clip has fewer; or random ones."""
    if generator is None:
        starts = PLAN.starts(samples, spec.sample_rate_hz)
        return [starts[chunk % len(starts)] for chunk in range(PLAN.chunks)]
    return [int(start) for start in generator.integers(0, max(samples - length, 0) + 1, PLAN.chunks)]
