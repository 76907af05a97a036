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
from trainer import manifest, music
from trainer.checkpoint import fold_folder, load_model
from trainer.export import fold_bundle
from trainer.manifest import CLUSTERS, FOLDS, SPEECH, Clip, LeftOut
from trainer.samples import Progress, clean_processes

Floats = NDArray[np.float64]
_BATCH = 16
SOFTMAX = {"genre": GENRES, "mood": MOODS, "cluster": CLUSTERS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """Uncalibrated answers, row by row as `clips`; temperatures by fold are fitted on the other folds' rows."""

    clips: tuple[Clip, ...]
    outputs: Mapping[str, Floats]  # head -> (clips, n): pooled log-probabilities, or numbers in [0, 1]
    left_out: tuple[LeftOut, ...] = ()

    def probabilities(self, head: str) -> Floats:
        """Cross-fitted calibrated probabilities (clips, n): no clip's temperature has seen its fold."""
        folds = np.array([clip.fold for clip in self.clips])
        result = np.empty_like(self.outputs[head])
        for fold in np.unique(folds):
            own = folds == fold
            result[own] = calibrated(self.outputs[head][own], self.temperature(head, ~own))
        return result

    def temperature(self, head: str, rows: NDArray[np.bool_] | None = None) -> float:
        """The one that makes the truth of these rows most likely, over the clips with a single label; 1 without any."""
        labels = [single_label(head, clip) for clip in self.clips]
        known = np.array([label is not None for label in labels])
        chosen = known if rows is None else known & rows
        truth = np.array([SOFTMAX[head].index(label) for label in labels if label is not None])
        return fit_temperature(self.outputs[head][chosen], truth[chosen[known]]) if chosen.any() else 1.0

    def called_music(self) -> NDArray[np.bool_]:
        """(clips,): the verdict of the music head, by a threshold that has not seen the clip's fold."""
        probabilities = self.outputs[music.HEAD][:, 0]
        folds, is_music = np.array([clip.fold for clip in self.clips]), self.is_music()
        called = np.empty(len(self.clips), dtype=np.bool_)
        for fold in np.unique(folds):
            own = folds == fold
            called[own] = probabilities[own] >= music.threshold(probabilities[~own], is_music[~own])
        return called

    def is_music(self) -> NDArray[np.bool_]:
        return np.array([clip.set != SPEECH for clip in self.clips])

    def groups(self, rows: NDArray[np.int64]) -> tuple[str, ...]:
        """The artists of these rows."""
        return tuple(self.clips[row].group for row in rows)

    def of(self, keys: Sequence[str]) -> "Predictions":
        """Of these clips alone, in this order."""
        rows = {clip.key: row for row, clip in enumerate(self.clips)}
        chosen = [rows[key] for key in keys]
        outputs = {head: values[chosen] for head, values in self.outputs.items()}
        return Predictions(clips=tuple(self.clips[row] for row in chosen), outputs=outputs, left_out=self.left_out)


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


def trained_folds(run: Path) -> list[int]:
    """The folds that a run has a network for; a quick comparison may do with some of the five."""
    return [fold for fold in range(FOLDS) if (fold_folder(run, fold) / "model.safetensors").exists()]


def predict(data: Path, run: Path, progress: Progress) -> Predictions:
    """Hears every clip of the trained folds with its fold's bundle; what a bundle has heard already is kept.

    Clips that cannot be used or heard are left out, by name. Raises TaggerError where no fold has been trained.
    """
    folds = trained_folds(run)
    spoken = manifest.speech(data) if any(_tells_music(run, fold) for fold in folds) else ()
    clips, left_out = manifest.usable((*manifest.read(data), *spoken))
    kept: list[Clip] = []
    parts: list[dict[str, Floats]] = []
    for fold in folds:
        own = [clip for clip in clips if clip.fold == fold]
        heard = predict_fold(run, fold, own, progress)
        kept += [clip for clip in own if clip.key not in heard.failures]
        left_out += tuple(LeftOut(key=key, reason=reason) for key, reason in heard.failures.items())
        parts.append(dict(heard.outputs))
    if not kept:
        raise TaggerError(f"{run}: no trained fold, or no clip of one can be heard: run `trainer train` first")
    outputs = {head: np.concatenate([part[head] for part in parts]) for head in parts[0]}
    return Predictions(clips=tuple(kept), outputs=outputs, left_out=left_out)


def _tells_music(run: Path, fold: int) -> bool:
    """Networks without the head need not listen to speech."""
    network = load_model(fold_folder(run, fold) / "model.safetensors").about["network"]
    return music.HEAD in {**network["softmax_heads"], **network["unit_heads"]}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What a fold's bundle says of its clips, row by row, without those that it could not hear."""

    outputs: Mapping[str, Floats]  # head -> (clips, n)
    failures: Mapping[str, str]  # clip key -> why


def predict_fold(run: Path, fold: int, clips: Sequence[Clip], progress: Progress) -> Heard:
    """The outputs of a fold's bundle; kept beside the bundle, and used again for the same bundle and clips."""
    path, header = fold_bundle(run, fold)
    kept, made_by = path.with_name("predictions.npz"), path.with_name("predictions.json")
    about = {"bundle": header.id, "clips": [clip.key for clip in clips]}
    known = json.loads(made_by.read_text()) if kept.exists() and made_by.exists() else {}
    if {name: known.get(name) for name in about} != about:
        outputs, failures = _hear(Analyzer(load(path)), clips, f"hear fold {fold}", progress)
        heard = np.array([clip.key not in failures for clip in clips], dtype=np.bool_)
        np.savez(kept, allow_pickle=False, heard=heard, **outputs)
        known = {**about, "failures": failures}
        made_by.write_text(json.dumps(known))
    with np.load(kept) as arrays:
        heard = arrays["heard"]
        outputs = {head: arrays[head][heard] for head in header.labels}
    silent = {clip.key: "not heard" for clip, was in zip(clips, heard, strict=True) if not was}
    return Heard(outputs=outputs, failures={**silent, **known.get("failures", {})})


def _hear(
    analyzer: Analyzer, clips: Sequence[Clip], what: str, progress: Progress
) -> tuple[dict[str, Floats], dict[str, str]]:
    """head -> (clips, n), and key -> why of what could not be heard."""
    outputs = {head: np.zeros((len(clips), len(names))) for head, names in analyzer.header.labels.items()}
    failures: dict[str, str] = {}
    read_one = partial(_decoded, plan=analyzer.header.plan, rate_hz=analyzer.header.sample_rate_hz)
    with clean_processes() as processes:
        decoded = processes.map(read_one, [clip.path for clip in clips], chunksize=_BATCH)
        for start in range(0, len(clips), _BATCH):
            batch: dict[int, Decoded] = {}
            for row, one in enumerate(islice(decoded, _BATCH), start=start):
                if isinstance(one, Failure):
                    failures[clips[row].key] = one.reason
                else:
                    batch[row] = one
            for row, pooled in zip(batch, analyzer.outputs(list(batch.values())) if batch else (), strict=True):
                for head, values in outputs.items():
                    values[row] = pooled.outputs[head]
            progress(min(start + _BATCH, len(clips)), len(clips), what)
    return outputs, failures


def _decoded(path: Path, plan: ChunkPlan, rate_hz: int) -> Decoded | Failure:
    return read(os.fsencode(path), plan, rate_hz)


def rows_where(clips: Sequence[Clip], wanted: Callable[[Clip], bool]) -> NDArray[np.int64]:
    return np.array([row for row, clip in enumerate(clips) if wanted(clip)], dtype=np.int64)
