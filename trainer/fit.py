"""MFCC and chroma branches, fusion and heads learn the labels; the mel encoder learns gently with them.

A step hears as many mixtures without labels as chunks with them, so that the encoder goes on following its teacher
while it learns. How long it learns stands in the recipe: nothing is chosen here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tagger.analysis.features import FeatureSet, FeatureSpec
from tagger.analysis.networks.late_fusion import Answers, LateFusion
from tagger.analysis.networks.registry import build
from trainer import filterbanks
from trainer.augment import altered
from trainer.checkpoint import fold_folder, load_model, save_model
from trainer.crops import Crops
from trainer.distill import Mixtures, follow_loss, open_mixtures
from trainer.loop import learn
from trainer.losses import answers_loss, log_shares
from trainer.manifest import Clip
from trainer.recipe import Recipe
from trainer.samples import Progress
from trainer.soft import soften
from trainer.targets import AUXILIARY_HEADS, Targets, network_config, targets, validation_groups

_MIXTURE_STEPS = 10_000_000
"""Mixtures beside labels are drawn from other steps than those of distillation."""


class Learner(nn.Module):
    """The network and, for training alone, heads for further labels on its joint embedding."""

    def __init__(self, network: LateFusion, auxiliary: Mapping[str, int]) -> None:
        super().__init__()
        self.network = network
        self.auxiliary = nn.ModuleDict({head: nn.Linear(network.hidden, n) for head, n in auxiliary.items()})

    def forward(self, features: FeatureSet) -> Answers:
        answers = self.network(features)
        hidden = self.network.dropout(answers.embedding)
        further = {head: layer(hidden) for head, layer in self.auxiliary.items()}
        return Answers({**answers.outputs, **further}, answers.sources, answers.embedding)


def train(
    data: Path, run: Path, clips: Sequence[Clip], crops: Crops, fold: int | None, recipe: Recipe, progress: Progress
) -> None:
    """Writes `model.safetensors`: the network that has learned from all folds but `fold` (None: from all).

    Goes on where an earlier call stopped. Raises TaggerError where the encoder has not been distilled.
    """
    folder = fold_folder(run, fold)
    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(recipe.seed)
    network = build(network_config(recipe))
    network.mel.load_state_dict(dict(load_model(folder / "distilled.safetensors").tensors))
    rows, truth = _rows(clips, fold, recipe), targets(clips, recipe.fit.set_weights)
    if recipe.fit.soft_share:
        truth = soften(data, clips, rows, truth, recipe.fit.soft_share)
    dct = filterbanks.features(FeatureSpec()).dct
    lessons = Lessons(crops=crops, rows=rows, targets=truth, dct=dct, recipe=recipe)
    mixtures = open_mixtures(run, clips, fold, recipe) if _follows(recipe) else None
    learner = _learn(network, lessons, mixtures, folder / "fit.state", progress)
    about = {
        "network": network_config(recipe),
        "features": FeatureSpec().config(),
        "recipe": recipe.config(),
        "seed": recipe.seed,
        "fold": fold,
    }
    weights = learner.network.state_dict()
    save_model(folder / "model.safetensors", {f"network.{name}": value for name, value in weights.items()}, about)
    (folder / "fit.state").unlink(missing_ok=True)


def _follows(recipe: Recipe) -> bool:
    """Whether the encoder learns with the labels, and must not forget its teacher over them."""
    return recipe.fit.encoder_rate > 0 and recipe.fit.distill_weight > 0


def _rows(clips: Sequence[Clip], fold: int | None, recipe: Recipe) -> NDArray[np.int64]:
    """The rows to learn from: not of the fold, not of artists set aside, not of a set that counts nothing."""
    settings = recipe.fit
    training = [clip for clip in clips if clip.fold != fold]
    aside = validation_groups(training, settings.validation_share, recipe.seed)
    taken = (
        clip.fold != fold and clip.group not in aside and settings.set_weights.get(clip.set, 1.0) > 0 for clip in clips
    )
    return np.flatnonzero(list(taken))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lessons:
    """Chunks with labels, one random chunk of one random rendering of each row an epoch."""

    crops: Crops
    rows: NDArray[np.int64]
    targets: Targets
    dct: Tensor
    recipe: Recipe

    def batch(self, step: int) -> tuple[FeatureSet, Targets]:
        """Depends on the seed and the step alone, so that resumed training sees the same ones."""
        seed, settings = self.recipe.seed, self.recipe.fit
        a_pass = max(1, len(self.rows) // settings.batch)
        order = np.random.default_rng((seed, 1, step // a_pass)).permutation(self.rows)
        rows = order[step % a_pass * settings.batch :][: settings.batch]
        generator = np.random.default_rng((seed, 2, step))
        renderings, chunks = self.crops.log_mel.shape[1:3]
        which = rows, generator.integers(0, renderings, len(rows)), generator.integers(0, chunks, len(rows))
        log_mel = torch.from_numpy(self.crops.log_mel[which]).float()
        log_mel = altered(log_mel, settings.gain_db, settings.mask_share, seed + step)
        chroma = torch.from_numpy(self.crops.chroma[which]).float()
        heard = FeatureSet(log_mel=log_mel, mfcc=log_mel @ self.dct, chroma=chroma)
        return heard, self.targets.rows(torch.from_numpy(rows))


def _learn(
    network: LateFusion, lessons: Lessons, mixtures: Mixtures | None, state_file: Path, progress: Progress
) -> Learner:
    recipe, settings = lessons.recipe, lessons.recipe.fit
    known = lessons.targets.rows(torch.from_numpy(lessons.rows))
    priors = {"genre": settings.genre_prior * log_shares(known.values["genre"], known.weights)}
    further = {head: lessons.targets.values[head].shape[1] for head in AUXILIARY_HEADS if settings.weights[head]}
    learner = Learner(network, further).train()
    network.mel.eval()  # batch norms keep the statistics of the mixtures
    network.mel.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.mel.requires_grad_(settings.encoder_rate > 0)

    def loss_of(step: int) -> Tensor:
        torch.manual_seed(recipe.seed + step)  # dropout: the same in a resumed run
        features, truth = lessons.batch(step)
        loss = answers_loss(learner(features), truth, settings.weights, settings.source_weight, priors)
        if mixtures:
            mixed = mixtures.batch(_MIXTURE_STEPS + step, settings.batch, recipe)
            loss = loss + settings.distill_weight * follow_loss(network.mel(mixed.log_mel), mixed, recipe.distill)
        return loss

    encoder = set(network.mel.parameters())
    rates = [
        (settings.peak_rate, [parameter for parameter in learner.parameters() if parameter not in encoder]),
        (settings.encoder_rate, list(network.mel.parameters())),
    ]
    return learn(learner, rates, loss_of, settings, state_file, "learn labels", progress)
