"""An untrained bundle with the default network: it hears nothing of sense, but the same nonsense every time."""

from pathlib import Path

import torch

from tagger.analysis import bundle
from tagger.analysis.features import FeatureSpec
from tagger.analysis.header import BundleHeader
from tagger.analysis.networks.registry import build
from tagger.vocabulary import GENRES, MOODS

SOFTMAX = {"genre": len(GENRES), "mood": len(MOODS), "cluster": 5, "music": 2}
UNIT = {"rated": 2, "words": 3}


def untrained(
    path: Path, *, seed: int = 1, temperature: float = 0.02, version: str = "1", music_threshold: float = 0.0
) -> BundleHeader:
    """Writes the bundle; a low temperature makes it sure of itself, so that gates are passed."""
    from trainer import filterbanks

    torch.manual_seed(seed)
    spec = FeatureSpec()
    network = {"kind": "late-fusion", "softmax_heads": SOFTMAX, "unit_heads": UNIT}
    config = {
        "format": 1,
        "name": "untrained",
        "version": version,
        "network": network,
        "features": spec.config(),
        "sample_rate_hz": spec.sample_rate_hz,
        "plan": {"chunk_seconds": 5.0, "chunks": 6},
        "labels": {
            "genre": list(GENRES),
            "mood": list(MOODS),
            "cluster": [f"cluster {number}" for number in range(1, 6)],
            "music": ["music", "other"],
            "rated": ["valence", "arousal"],
            "words": ["valence", "arousal", "dominance"],
        },
        "calibration": {"genre": temperature, "mood": temperature, "music": 1.0},
        "music_threshold": music_threshold,
        "emotion_cuts": {"valence": [0.4, 0.6], "arousal": [0.4, 0.6]},
        "gates": {"genre": {"disco": 0.7}, "mood": {}},
        "card": "# untrained\n\nFor tests only.",
    }
    return bundle.save(path, config, filterbanks.features(spec), build(network).eval())
