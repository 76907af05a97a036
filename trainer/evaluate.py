"""Out-of-fold predictions: each fold's clips, heard by the bundle that never met their artists, as the daemon hears."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.calibration import calibrated
from tagger.analysis.decode import read
from tagger.records import Decoded, Failure, TaggerError
from tagger.vocabulary import GENRES, MOODS
from trainer import manifest
from trainer.export import fold_bundle
from trainer.manifest import CLUSTERS, FOLDS, Clip
from trainer.samples import Progress
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
    """Hears every clip with its fold's bundle, unless the run holds the predictions of these bundles already.

    Raises TaggerError where a fold has not been trained, or a clip cannot be heard.
    """
    clips = manifest.read(data)
    bundles = [fold_bundle(run, fold) for fold in range(FOLDS)]
    kept, made_by = run / "predictions.npz", run / "predictions.json"
    about = {"bundles": [header.id for _, header in bundles], "clips": [clip.key for clip in clips]}
    if not (kept.exists() and made_by.exists() and json.loads(made_by.read_text()) == about):
        outputs = _hear_all(clips, [path for path, _ in bundles], progress)
        np.savez(kept, allow_pickle=False, **outputs)
        made_by.write_text(json.dumps(about))
    with np.load(kept) as arrays:
        return Predictions(clips=clips, outputs={head: arrays[head] for head in LABELS})


def _hear_all(clips: Sequence[Clip], bundles: Sequence[Path], progress: Progress) -> dict[str, Floats]:
    outputs = {head: np.zeros((len(clips), len(names))) for head, names in LABELS.items()}
    done = 0
    for fold, path in enumerate(bundles):
        analyzer = Analyzer(load(path))
        rows = [row for row, clip in enumerate(clips) if clip.fold == fold]
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            heard = analyzer.outputs([_decoded(analyzer, clips[row]) for row in batch])
            for row, pooled in zip(batch, heard, strict=True):
                for head in LABELS:
                    outputs[head][row] = pooled.outputs[head]
            done += len(batch)
            progress(done, len(clips), f"hear fold {fold}")
    return outputs


def _decoded(analyzer: Analyzer, clip: Clip) -> Decoded:
    header = analyzer.header
    decoded = read(os.fsencode(clip.path), header.plan, header.sample_rate_hz)
    if isinstance(decoded, Failure):
        raise TaggerError(f"{clip.path}: {decoded.reason}")
    return decoded


def rows_where(clips: Sequence[Clip], wanted: Callable[[Clip], bool]) -> NDArray[np.int64]:
    return np.array([row for row, clip in enumerate(clips) if wanted(clip)])
