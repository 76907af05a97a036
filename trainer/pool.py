"""Mixtures of a fold's clips that teacher and student both hear, made once: the material of distillation.

Both parts of a mixture come from one fold, so that a network that learns from four pools has never heard an artist of
the fifth. A pool is three memory-mapped arrays; building one resumes where it stopped.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tagger.analysis.features import Features, FeatureSpec
from trainer import filterbanks, teacher
from trainer.augment import curve_db, mix
from trainer.manifest import Clip
from trainer.recipe import PoolRecipe, Recipe
from trainer.samples import Progress, Samples
from trainer.teacher import Teacher

CROP_SECONDS = 5
_BATCH = 40
Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The crops of one fold: what the student hears, and what the teacher says of the same sound."""

    log_mel: Halves  # (crops, frames, n_mels)
    frames: Halves  # (crops, teacher frames, 384)
    logits: Halves  # (crops, 527)
    clips: NDArray[np.int32]  # (crops, 2): rows of the manifest; the second -1 where nothing was mixed in


def shapes(spec: FeatureSpec, crops: int) -> dict[str, tuple[tuple[int, ...], type]]:
    """Shape and type of each array of a pool."""
    samples = CROP_SECONDS * spec.sample_rate_hz
    teacher_frames = samples // teacher.HOP_LENGTH + 1
    for _ in range(5):  # five layers of stride 2
        teacher_frames = (teacher_frames + 1) // 2
    return {
        "log_mel": ((crops, samples // spec.hop_length + 1, spec.n_mels), np.float16),
        "frames": ((crops, teacher_frames, teacher.WIDTH), np.float16),
        "logits": ((crops, teacher.CLASSES), np.float16),
        "clips": ((crops, 2), np.int32),
    }


def build(data: Path, run: Path, samples: Samples, fold: int, recipe: Recipe, progress: Progress) -> None:
    """Makes the pool of a fold, or what is missing of it; the same seed gives the same pool.

    Raises TaggerError where the teacher's weights are not in `data`.
    """
    folder = _folder(run, fold)
    folder.mkdir(parents=True, exist_ok=True)
    spec = FeatureSpec()
    arrays = _open(folder, spec, recipe.pool.crops_per_fold, writable=True)
    done = _done(folder)
    if done == recipe.pool.crops_per_fold:
        return
    rows = [row for row, clip in enumerate(samples.clips) if clip.fold == fold]
    mentor, student = teacher.load(data), filterbanks.features(spec)
    mentor.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    while done < recipe.pool.crops_per_fold:
        count = min(_BATCH, recipe.pool.crops_per_fold - done)
        generator = np.random.default_rng((recipe.seed, fold, done))
        crops, clips, curves = _draw(samples, rows, count, recipe.pool, generator)
        _hear(arrays, slice(done, done + count), crops, curves, mentor, student)
        arrays["clips"][done : done + count] = clips
        done += count
        for array in arrays.values():
            array.flush()
        (folder / "done.json").write_text(json.dumps(done))
        progress(done, recipe.pool.crops_per_fold, f"mix and hear, fold {fold}")


def open_pool(run: Path, fold: int, recipe: Recipe) -> Pool:
    """A finished pool, memory-mapped. Raises FileNotFoundError where it is not finished."""
    folder = _folder(run, fold)
    if _done(folder) != recipe.pool.crops_per_fold:
        raise FileNotFoundError(f"{folder} is not finished")
    return Pool(**_open(folder, FeatureSpec(), recipe.pool.crops_per_fold, writable=False))


def _folder(run: Path, fold: int) -> Path:
    return run / "pool" / f"fold-{fold}"


def _done(folder: Path) -> int:
    file = folder / "done.json"
    return int(json.loads(file.read_text())) if file.exists() else 0


def _open(folder: Path, spec: FeatureSpec, crops: int, *, writable: bool) -> dict[str, np.memmap]:
    arrays = {}
    for name, (shape, kind) in shapes(spec, crops).items():
        path = folder / name
        mode = "r" if not writable else "r+" if path.exists() else "w+"
        arrays[name] = np.memmap(path, dtype=kind, mode=mode, shape=shape)  # type: ignore[call-overload]
    return arrays


def _draw(
    samples: Samples, rows: list[int], count: int, recipe: PoolRecipe, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Crops (count, samples), the rows of their clips, and their curves in dB (count, bins)."""
    hz = np.arange(teacher.N_FFT // 2 + 1) * teacher.RATE_HZ / teacher.N_FFT
    crops, clips, curves = [], [], []
    for _ in range(count):
        first, second = generator.choice(rows, 2)
        crop = _crop(samples, samples.clips[first], generator)
        if mixed := generator.random() < recipe.mixed_share:
            other = _crop(samples, samples.clips[second], generator)
            crop = mix(crop, other, generator.uniform(*recipe.mix_db))
        crops.append(crop)
        clips.append((first, second if mixed else -1))
        curves.append(curve_db(generator, recipe, hz))
    return np.stack(crops), np.array(clips, dtype=np.int32), np.stack(curves)


def _crop(samples: Samples, clip: Clip, generator: np.random.Generator) -> NDArray[np.float32]:
    """Five seconds from a random place of a clip; a shorter clip is repeated."""
    length = CROP_SECONDS * teacher.RATE_HZ
    whole = samples.of(clip)
    start = int(generator.integers(0, max(len(whole) - length, 0) + 1))
    crop = whole[start : start + length].astype(np.float32) / 32_768
    return np.resize(crop, length)


def _hear(
    arrays: dict[str, np.memmap],
    where: slice,
    crops: NDArray[np.float32],
    curves: NDArray[np.float32],
    mentor: Teacher,
    student: Features,
) -> None:
    """One spectrum serves both: every frame for the teacher, every second one for the student."""
    with torch.inference_mode():
        window = torch.hann_window(teacher.WIN_LENGTH, periodic=False)
        spectrum = torch.stft(
            torch.from_numpy(crops),
            n_fft=teacher.N_FFT,
            hop_length=teacher.HOP_LENGTH,
            win_length=teacher.WIN_LENGTH,
            window=window,
            return_complex=True,
        )
        gain = torch.from_numpy(10 ** (curves / 10)).unsqueeze(1)
        power = (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2) * gain
        heard = mentor(power)
        arrays["log_mel"][where] = student.log_mel(power[:, ::2]).half().numpy()
        arrays["frames"][where] = heard.frames.half().numpy()
        arrays["logits"][where] = heard.logits.half().numpy()
