"""The last steps, one function each: the evaluation, robustness, the report, and the bundle that ships."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.features import FeatureSet, FeatureSpec
from tagger.analysis.header import BundleHeader
from tagger.analysis.networks.late_fusion import multiply_adds
from tagger.analysis.networks.registry import build
from trainer import card, compare, figures, filterbanks, findings, reliability, report, robustness
from trainer import evaluate as predicting
from trainer import export as exporting
from trainer.checkpoint import fold_folder, load_model
from trainer.compare import Difference
from trainer.crops import PLAN
from trainer.evaluate import Predictions
from trainer.findings import Findings
from trainer.manifest import FOLDS
from trainer.samples import Progress

TRACK_SUFFIXES = (".mp3", ".ogg", ".m4a", ".webm", ".flac", ".opus", ".wav")


def evaluate(data: Path, run: Path, progress: Progress) -> str:
    """Writes the figures of a run and returns them as Markdown. Raises TaggerError where a fold is missing."""
    return findings.save(run / "report", _evaluated(data, run, progress))


def write_report(data: Path, run: Path, others: Sequence[Path], progress: Progress) -> Path:
    """Writes the report of a run, with the runs in RUN/ablations and `others` as ablations; its folder.

    Raises TaggerError where a fold is missing.
    """
    found = _evaluated(data, run, progress)
    folder = run / "report"
    findings.save(folder, found)
    folders = [path for path in sorted((run / "ablations").glob("*")) if predicting.trained_folds(path)]
    report.write(folder, found, _against(data, run, [*folders, *others], progress))
    return folder


def measure_robustness(data: Path, run: Path, progress: Progress) -> None:
    """Writes what the evaluation and the report show of robustness. Raises TaggerError where a fold is missing."""
    _trained(run)
    predictions = predicting.predict(data, run, progress)
    conditions = robustness.measure_clips(run, predictions, progress)
    trial = _trial(run, predictions)
    tracks = sorted(path for path in (data / "tracks").glob("*") if path.suffix in TRACK_SUFFIXES)
    conditions += robustness.measure_tracks(Analyzer(load(trial)), tracks, progress)
    trial.unlink()
    found = robustness.Robustness(
        conditions=conditions,
        equal_pairs=robustness.equal_pairs(predictions),
        sample=f"{robustness.SAMPLE} clips drawn at random from all sets but Ishkur's, or all there are.",
    )
    robustness.save(run, found)


def export(data: Path, run: Path, target: Path, version: str, progress: Progress) -> BundleHeader:
    """Writes the bundle and, beside it, its card. Raises TaggerError where a fold or the refit is missing."""
    found = _evaluated(data, run, progress)
    findings.save(run / "report", found)
    words = card.write(version, found)
    header = _calibrated(run, target, found.predictions, version=version, card_text=words)
    target.with_suffix(".md").write_text(words, encoding="utf-8")
    return header


def _trained(run: Path) -> None:
    """Raises TaggerError where a fold or the refit is missing: hearing the clips takes minutes."""
    for fold in (*range(FOLDS), None):
        load_model(fold_folder(run, fold) / "model.safetensors")


def _evaluated(data: Path, run: Path, progress: Progress) -> Findings:
    _trained(run)
    predictions = predicting.predict(data, run, progress)
    about = load_model(fold_folder(run, None) / "model.safetensors").about
    trial = _trial(run, predictions)
    megabytes = trial.stat().st_size / 1e6
    trial.unlink()
    adds = cost(about)
    return Findings(
        name=run.name,
        about=about,
        plan=PLAN,
        adds=adds,
        parameters=_parameters(about),
        megabytes=megabytes,
        predictions=predictions,
        lines=[*findings.lines(predictions, progress), *findings.counted(sum(adds.values()), megabytes)],
        by_label=findings.by_label(predictions),
        within_genre=figures.mood_within_genre(predictions),
        labels=findings.labels(predictions),
        robustness=robustness.saved(run),
    )


def cost(about: Mapping[str, object]) -> dict[str, float]:
    """Multiply-adds a second of audio of each part of a run's network, features aside."""
    features = filterbanks.features(FeatureSpec.of(about["features"]))  # type: ignore[arg-type]
    with torch.inference_mode():
        heard: FeatureSet = features(torch.zeros(1, PLAN.length(features.spec.sample_rate_hz)))
    return multiply_adds(build(about["network"]), heard, PLAN.chunk_seconds)  # type: ignore[arg-type]


def _parameters(about: Mapping[str, object]) -> dict[str, int]:
    network = build(about["network"])  # type: ignore[arg-type]
    return {name: sum(one.numel() for one in part.parameters()) for name, part in network.named_children()}


def _against(data: Path, run: Path, others: Sequence[Path], progress: Progress) -> dict[str, list[Difference]]:
    """Each further recipe against the run's; runs of one recipe together."""
    if not others:
        return {}
    base, *further = compare.sides(data, [run, *others], progress)
    names = [name for name, _, _ in report.ABLATION_FIGURES]
    return {side.name: compare.differences(base, side, only=names) for side in further}


def _trial(run: Path, predictions: Predictions) -> Path:
    """The bundle as it would ship, without its card."""
    trial = run / "report" / "trial.safetensors"
    trial.parent.mkdir(parents=True, exist_ok=True)
    _calibrated(run, trial, predictions, version="trial", card_text="")
    return trial


def _calibrated(run: Path, target: Path, predictions: Predictions, *, version: str, card_text: str) -> BundleHeader:
    rated = predictions.outputs["rated"]
    return exporting.default_bundle(
        run,
        target,
        version=version,
        temperatures={head: predictions.temperature(head) for head in predicting.SOFTMAX},
        cuts=exporting.tercile_cuts(rated[:, 0], rated[:, 1]),
        gates=reliability.gates(predictions),
        card=card_text,
    )
