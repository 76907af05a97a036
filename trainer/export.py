"""From trained networks to bundles: the folds' for evaluation, the refit's to ship."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tagger.analysis import bundle
from tagger.analysis.features import FeatureSpec
from tagger.analysis.header import BundleHeader
from tagger.analysis.networks.registry import build
from trainer import filterbanks
from trainer.checkpoint import fold_folder, load_model
from trainer.crops import PLAN
from trainer.targets import LABELS

_UNCALIBRATED = {"genre": 1.0, "mood": 1.0, "cluster": 1.0}
_NO_CUTS = {"valence": [1 / 3, 2 / 3], "arousal": [1 / 3, 2 / 3]}


def fold_bundle(run: Path, fold: int) -> tuple[Path, BundleHeader]:
    """The bundle of a fold's network, uncalibrated: what evaluation hears with. Raises TaggerError before training."""
    path = fold_folder(run, fold) / "bundle.safetensors"
    return path, _export(run, fold, path, name=f"fold-{fold}")


def default_bundle(
    run: Path,
    path: Path,
    *,
    version: str,
    temperatures: Mapping[str, float],
    cuts: Mapping[str, Sequence[float]],
    gates: Mapping[str, Mapping[str, float]],
    card: str,
) -> BundleHeader:
    """The refit with what the folds' out-of-fold predictions chose. Raises TaggerError before it is trained."""
    return _export(
        run,
        None,
        path,
        name="tagger-default",
        version=version,
        calibration=dict(temperatures),
        emotion_cuts={axis: list(values) for axis, values in cuts.items()},
        gates={head: dict(labels) for head, labels in gates.items()},
        card=card,
    )


def tercile_cuts(valence: np.ndarray, arousal: np.ndarray) -> dict[str, list[float]]:
    """Where low ends and high begins: a third of the heard clips each."""
    axes = {"valence": valence, "arousal": arousal}
    return {axis: [float(cut) for cut in np.quantile(values, [1 / 3, 2 / 3])] for axis, values in axes.items()}


def _export(run: Path, fold: int | None, path: Path, *, name: str, **choices: Any) -> BundleHeader:
    model = load_model(fold_folder(run, fold) / "model.safetensors")
    spec = FeatureSpec.of(model.about["features"])
    network = build(model.about["network"])
    network.load_state_dict({key.removeprefix("network."): value for key, value in model.tensors.items()})
    config = {
        "format": 1,
        "name": name,
        "version": "0",
        "network": model.about["network"],
        "features": spec.config(),
        "sample_rate_hz": spec.sample_rate_hz,
        "plan": {"chunk_seconds": PLAN.chunk_seconds, "chunks": PLAN.chunks},
        "labels": LABELS,
        "calibration": _UNCALIBRATED,
        "emotion_cuts": _NO_CUTS,
        "gates": {"genre": {}, "mood": {}},
        "card": "",
        **choices,
    }
    return bundle.save(path, config, filterbanks.features(spec), network)
