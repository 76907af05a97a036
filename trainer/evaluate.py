"""Out-of-fold predictions: each fold's clips, heard by the bundle that never met their artists, as the daemon hears."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.calibration import calibrated
from tagger.analysis.chunks import ChunkPlan
from tagger.analysis.decode import read
from tagger.records import Decoded, Failure, TaggerError
from tagger.vocabulary import GENRES, MOODS
from trainer import manifest
from trainer.export import fold_bundle
from trainer.manifest import CLUSTERS, FOLDS, Clip
from trainer.samples import Progress, clean_processes
from trainer.targets import LABELS

Floats = NDArray[np.float64]
_BATCH = 16
SOFTMAX = {"genre": GENRES, "mood": MOODS, "cluster": CLUSTERS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """Uncalibrated answers, row by row as `clips`; temperatures by fold are fitted on the other folds' rows."""

    clips: tuple[Clip, ...]
    outputs: Mapping[str, Floats]  # head -> (clips, n): pooled log-probabilities, or numbers in [0, 1]

    def probabilities(self, head: str) -> Floats:
        """Cross-fitted calibrated probabilities (clips, n): no clip's temperature has seen its fold."""
        folds = np.array([clip.fold for clip in self.clips])
        result = np.empty_like(self.outputs[head])
        for fold in range(FOLDS):
            own = folds == fold
            result[own] = calibrated(self.outputs[head][own], self.temperature(head, ~own))
        return result

    def temperature(self, head: str, rows: NDArray[np.bool_] | None = None) -> float:
        """The one that makes the truth of these rows most likely, over the clips with a single label."""
        labels = [single_label(head, clip) for clip in self.clips]
        known = np.array([label is not None for label in labels])
        chosen = known if rows is None else known & rows
        truth = np.array([SOFTMAX[head].index(label) for label in labels if label is not None])
        return fit_temperature(self.outputs[head][chosen], truth[chosen[known]])


def single_label(head: str, clip: Clip) -> str | None:
    """The clip's label where it is certain; ishkur's sounds too bad to measure by."""
    if clip.set == "ishkur":
        return None
    if head == "genre":
        return clip.genres[0] if len(clip.genres) == 1 else None
    return clip.mood if head == "mood" else clip.cluster


def fit_temperature(log_probabilities: Floats, truth: NDArray[np.int64]) -> float:
    """Least negative log-likelihood over temperatures from .2 to 5 (Guo and others, ICML 2017)."""

    def loss(log_temperature: float) -> float:
        probabilities = calibrated(log_probabilities, float(np.exp(log_temperature)))
        return float(-np.log(probabilities[np.arange(len(truth)), truth] + 1e-12).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.2), np.log(5.0)), method="bounded")
    return float(np.exp(found.x))


def predict(data: Path, run: Path, progress: Progress) -> Predictions:
    """Hears every clip with its fold's bundle; what a fold's bundle has heard already is kept.

    Clips that the daemon would not hear either (too short, silent) are left out. Raises TaggerError where a fold has
    not been trained, or a clip cannot be read.
    """
    clips = manifest.read(data)
    kept: list[Clip] = []
    parts: list[dict[str, Floats]] = []
    for fold in range(FOLDS):
        own = [clip for clip in clips if clip.fold == fold]
        heard, answers = predict_fold(run, fold, own, progress)
        kept += [clip for clip, known in zip(own, heard, strict=True) if known]
        parts.append({head: values[heard] for head, values in answers.items()})
    return Predictions(
        clips=tuple(kept), outputs={head: np.concatenate([part[head] for part in parts]) for head in LABELS}
    )


def predict_fold(
    run: Path, fold: int, clips: Sequence[Clip], progress: Progress
) -> tuple[NDArray[np.bool_], dict[str, Floats]]:
    """Which of the clips are heard, and the outputs of a fold's bundle, head -> (clips, n); kept beside the bundle."""
    path, header = fold_bundle(run, fold)
    kept, made_by = path.with_name("predictions.npz"), path.with_name("predictions.json")
    about = {"bundle": header.id, "clips": [clip.key for clip in clips]}
    if not (kept.exists() and made_by.exists() and json.loads(made_by.read_text()) == about):
        heard, outputs = _hear(Analyzer(load(path)), clips, f"hear fold {fold}", progress)
        np.savez(kept, allow_pickle=False, heard=heard, **outputs)
        made_by.write_text(json.dumps(about))
    with np.load(kept) as arrays:
        return arrays["heard"], {head: arrays[head] for head in LABELS}


def _hear(
    analyzer: Analyzer, clips: Sequence[Clip], what: str, progress: Progress
) -> tuple[NDArray[np.bool_], dict[str, Floats]]:
    outputs = {head: np.zeros((len(clips), len(names))) for head, names in LABELS.items()}
    heard = np.zeros(len(clips), dtype=np.bool_)
    read_one = partial(_decoded, plan=analyzer.header.plan, rate_hz=analyzer.header.sample_rate_hz)
    with clean_processes() as processes:
        decoded = processes.map(read_one, [clip.path for clip in clips], chunksize=_BATCH)
        for start in range(0, len(clips), _BATCH):
            batch = {start + n: one for n, one in enumerate(islice(decoded, _BATCH)) if one is not None}
            for row, pooled in zip(batch, analyzer.outputs(list(batch.values())) if batch else (), strict=True):
                heard[row] = True
                for head in LABELS:
                    outputs[head][row] = pooled.outputs[head]
            progress(min(start + _BATCH, len(clips)), len(clips), what)
    return heard, outputs


def _decoded(path: Path, plan: ChunkPlan, rate_hz: int) -> Decoded | None:
    """None for what is never heard."""
    decoded = read(os.fsencode(path), plan, rate_hz)
    if isinstance(decoded, Failure):
        if decoded.reason in ("too short", "silent"):
            return None
        raise TaggerError(f"{path}: {decoded.reason}")
    return decoded


def rows_where(clips: Sequence[Clip], wanted: Callable[[Clip], bool]) -> NDArray[np.int64]:
    return np.array([row for row, clip in enumerate(clips) if wanted(clip)], dtype=np.int64)
