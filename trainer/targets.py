"""Labels as tensors with masks, and which artists a fold keeps aside to choose by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tagger.analysis.features import FeatureSpec
from tagger.vocabulary import GENRES, MOODS
from trainer.manifest import CLUSTERS, GEMS, Clip
from trainer.recipe import Recipe

SOFTMAX_HEADS = {"genre": len(GENRES), "mood": len(MOODS), "cluster": len(CLUSTERS)}
UNIT_HEADS = {"rated": 2, "words": 3}
AUXILIARY_HEADS = ("tags", "gems")
"""Heads for training alone: mood words of 4Q and MIREX-like, one vocabulary; induced emotions of Emotify."""

TAG_CLIPS = 8
"""A mood word of fewer clips teaches nothing."""
LABELS = {
    "genre": list(GENRES),
    "mood": list(MOODS),
    "cluster": list(CLUSTERS),
    "rated": ["valence", "arousal"],
    "words": ["valence", "arousal", "dominance"],
}
"""Names of each head's outputs, in their order; what a bundle stores."""


def network_config(recipe: Recipe) -> dict[str, Any]:
    """The network of the default system, as a bundle names it."""
    return {
        "kind": "late-fusion",
        "softmax_heads": SOFTMAX_HEADS,
        "unit_heads": UNIT_HEADS,
        "n_mfcc": FeatureSpec().n_mfcc,
        "dropout": recipe.fit.dropout,
        "branches": recipe.fit.branches,
        "fusion": recipe.fit.fusion,
    }


class Targets(NamedTuple):
    """Per head: candidates (softmax heads), the right numbers (unit heads) or shares (tags); whether they are known."""

    values: dict[str, Tensor]  # head -> (clips, n) float32
    known: dict[str, Tensor]  # head -> (clips,) bool
    weights: Tensor  # (clips,) float32: how much a clip counts

    def rows(self, index: Tensor) -> "Targets":
        return Targets(
            {head: value[index] for head, value in self.values.items()},
            {head: known[index] for head, known in self.known.items()},
            self.weights[index],
        )


def targets(clips: Sequence[Clip], set_weights: Mapping[str, float]) -> Targets:
    """The targets of `clips`, row by row; a set that is not in `set_weights` weighs 1."""
    values = {
        "genre": _candidates([clip.genres for clip in clips], GENRES),
        "mood": _candidates([(clip.mood,) if clip.mood else () for clip in clips], MOODS),
        "cluster": _candidates([(clip.cluster,) if clip.cluster else () for clip in clips], CLUSTERS),
        "rated": torch.tensor([clip.rated or (0.0, 0.0) for clip in clips]),
        "words": torch.tensor([clip.words or (0.0, 0.0, 0.0) for clip in clips]),
        "tags": _shares([clip.tags for clip in clips]),
        "gems": torch.tensor([clip.gems or (0.0,) * len(GEMS) for clip in clips]),
    }
    known = {head: values[head].sum(dim=1) > 0 for head in (*SOFTMAX_HEADS, "tags")}
    known["rated"] = torch.tensor([clip.rated is not None for clip in clips])
    known["gems"] = torch.tensor([clip.gems is not None for clip in clips])
    known["words"] = torch.tensor([clip.words is not None for clip in clips])
    weights = torch.tensor([set_weights.get(clip.set, 1.0) for clip in clips])
    return Targets(values, known, weights)


def validation_groups(clips: Sequence[Clip], share: float, seed: int) -> frozenset[str]:
    """The artists of `share` of the clips, drawn at random: what a fold chooses by, and never learns from."""
    groups = sorted({clip.group for clip in clips})
    np.random.default_rng(seed).shuffle(groups)
    size = dict.fromkeys(groups, 0)
    for clip in clips:
        size[clip.group] += 1
    chosen: set[str] = set()
    taken = 0
    for group in groups:
        if taken >= share * len(clips):
            break
        chosen.add(group)
        taken += size[group]
    return frozenset(chosen)


def _shares(rows: Sequence[Sequence[str]]) -> Tensor:
    """(clips, words): an equal share to each word of a clip that enough clips have."""
    clips = Counter(word for words in rows for word in words)
    vocabulary = sorted(word for word, count in clips.items() if count >= TAG_CLIPS)
    table = _candidates([[word for word in words if clips[word] >= TAG_CLIPS] for words in rows], vocabulary)
    return table / table.sum(dim=1, keepdim=True).clamp_min(1)


def _candidates(rows: Sequence[Sequence[str]], labels: Sequence[str]) -> Tensor:
    table = torch.zeros(len(rows), len(labels))
    for row, candidates in enumerate(rows):
        for label in candidates:
            table[row, labels.index(label)] = 1
    return table
