"""The last two steps, one function each: the report, and the bundle that ships."""

from pathlib import Path
from typing import NamedTuple

import torch

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.features import FeatureSet, FeatureSpec
from tagger.analysis.header import BundleHeader
from tagger.analysis.networks.late_fusion import multiply_adds
from tagger.analysis.networks.registry import build
from trainer import card, drift, filterbanks, report
from trainer import evaluate as evaluation
from trainer import export as exporting
from trainer.checkpoint import fold_folder, load_model
from trainer.crops import PLAN
from trainer.evaluate import Predictions
from trainer.manifest import FOLDS
from trainer.samples import Progress

TRACK_SUFFIXES = (".mp3", ".ogg", ".m4a", ".webm", ".flac", ".opus", ".wav")


class _Report(NamedTuple):
    text: str  # Markdown
    figures: list[report.Line]
    drifts: list[drift.Drift]


def evaluate(data: Path, run: Path, progress: Progress) -> str:
    """Writes the report of a run and returns its Markdown. Raises TaggerError where a fold is missing."""
    _trained(run)
    predictions = evaluation.predict(data, run, progress)
    return _report(data, run, predictions, progress).text


def export(data: Path, run: Path, target: Path, version: str, progress: Progress) -> BundleHeader:
    """Writes the bundle and, beside it, its card. Raises TaggerError where a fold or the refit is missing."""
    _trained(run)
    predictions = evaluation.predict(data, run, progress)
    found = _report(data, run, predictions, progress)
    about = load_model(fold_folder(run, None) / "model.safetensors").about
    gates = exporting.few_clip_gates(predictions.clips)
    words = card.write(
        version=version,
        figures=found.figures,
        drift="\n".join(report.drift_text(found.drifts)),
        gated=sorted(gates["genre"]),
        clips=report.clip_counts(predictions.clips),
        recipe=about["recipe"]["name"],
        seed=about["seed"],
        multiply_adds=cost(run),
        parameters=sum(parameter.numel() for parameter in build(about["network"]).parameters()),
    )
    header = _calibrated(run, target, predictions, version=version, card_text=words, gates=gates)
    target.with_suffix(".md").write_text(words, encoding="utf-8")
    return header


def _trained(run: Path) -> None:
    """Raises TaggerError where a fold or the refit is missing: hearing the clips takes minutes."""
    for fold in (*range(FOLDS), None):
        load_model(fold_folder(run, fold) / "model.safetensors")


def cost(run: Path) -> float:
    """Multiply-adds a second of audio of a run's network, features aside."""
    about = load_model(fold_folder(run, None) / "model.safetensors").about
    features = filterbanks.features(FeatureSpec.of(about["features"]))
    seconds = PLAN.chunk_seconds
    with torch.inference_mode():
        heard: FeatureSet = features(torch.zeros(1, PLAN.length(features.spec.sample_rate_hz)))
    return multiply_adds(build(about["network"]), heard, seconds)


def _report(data: Path, run: Path, predictions: Predictions, progress: Progress) -> _Report:
    """The drift is measured with the refit, calibrated, which is what users hear with."""
    about = load_model(fold_folder(run, None) / "model.safetensors").about
    trial = run / "report" / "trial.safetensors"
    gates = exporting.few_clip_gates(predictions.clips)
    _calibrated(run, trial, predictions, version="trial", card_text="", gates=gates)
    tracks = sorted(path for path in (data / "tracks").glob("*") if path.suffix in TRACK_SUFFIXES)
    drifts = drift.measure(Analyzer(load(trial)), tracks, progress)
    trial.unlink()
    temperatures = ", ".join(f"{head} {predictions.temperature(head):.2f}" for head in ("genre", "mood", "cluster"))
    r2 = [load_model(fold_folder(run, fold) / "distilled.safetensors").about["r2"] for fold in range(FOLDS)]
    facts = [
        ("recipe, seed", f"{about['recipe']['name']}, {about['seed']}"),
        ("split", "five artist-disjoint folds of the manifest, out of fold, clip by clip; ishkur left out"),
        ("clips", report.clip_counts([clip for clip in predictions.clips if clip.set != "ishkur"])),
        ("multiply-adds a second of audio", f"{cost(run) / 1e6:.2f} million"),
        (
            "teacher's variance explained on artists aside, by fold",
            ", ".join("-" if value is None else f"{value:.2f}" for value in r2),
        ),
        ("temperatures over all folds", temperatures),
    ]
    text, figures = report.write(run, predictions, drifts, facts)
    return _Report(text, figures, drifts)


def _calibrated(
    run: Path,
    target: Path,
    predictions: Predictions,
    *,
    version: str,
    card_text: str,
    gates: dict[str, dict[str, float]],
) -> BundleHeader:
    rated = predictions.outputs["rated"]
    return exporting.default_bundle(
        run,
        target,
        version=version,
        temperatures={head: predictions.temperature(head) for head in ("genre", "mood", "cluster")},
        cuts=exporting.tercile_cuts(rated[:, 0], rated[:, 1]),
        gates=gates,
        card=card_text,
    )
