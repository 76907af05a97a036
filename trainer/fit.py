"""MFCC and chroma branches, fusion and heads learn the labels on top of the distilled mel encoder.

The encoder stands still, so its frames are computed once; an epoch is one random chunk of one random rendering of each
clip. Which epoch is kept is chosen on artists aside, inside the training folds.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from tagger.analysis.features import FeatureSpec
from tagger.analysis.networks.late_fusion import Answers, LateFusion
from tagger.analysis.networks.registry import build
from trainer import filterbanks
from trainer.checkpoint import fold_folder, load_model, load_state, save_model, save_state
from trainer.crops import Crops
from trainer.distill import ema, one_cycle
from trainer.losses import answers_loss
from trainer.manifest import FOLDS, Clip
from trainer.recipe import Recipe
from trainer.samples import Progress
from trainer.targets import Targets, network_config, targets, validation_groups


def train(run: Path, clips: Sequence[Clip], crops: Crops, fold: int | None, recipe: Recipe, progress: Progress) -> None:
    """Writes `model.safetensors`: the network that has learned from all folds but `fold`.

    The refit (fold None) runs for the median of the epochs that the folds chose; it raises TaggerError where a fold
    has not been trained. Goes on where an earlier call stopped.
    """
    folder = fold_folder(run, fold)
    if (folder / "model.safetensors").exists():
        return
    epochs = _chosen_epochs(run) if fold is None else recipe.fit.epochs
    torch.manual_seed(recipe.seed)
    network = build(network_config(recipe))
    network.mel.load_state_dict(dict(load_model(folder / "distilled.safetensors").tensors))
    learned, aside = _split(clips, fold, recipe)
    labelled = _hear(network, crops, np.concatenate((learned, aside)), progress)
    data = _Data(labelled, targets(clips, dict(recipe.fit.set_weights)), learned, aside)
    best = _learn(network, data, recipe, epochs, folder / "fit.state", progress)
    about = {
        "network": network_config(recipe),
        "features": FeatureSpec().config(),
        "recipe": recipe.config(),
        "seed": recipe.seed,
        "fold": fold,
        "epochs": best.epoch,
        "validation_loss": best.loss,
    }
    save_model(folder / "model.safetensors", {f"network.{name}": value for name, value in best.weights.items()}, about)
    (folder / "fit.state").unlink(missing_ok=True)


def _chosen_epochs(run: Path) -> int:
    chosen = [load_model(fold_folder(run, fold) / "model.safetensors").about["epochs"] for fold in range(FOLDS)]
    return int(median(chosen))


def _split(clips: Sequence[Clip], fold: int | None, recipe: Recipe) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from, and rows of artists aside (none for the refit)."""
    training = [clip for clip in clips if clip.fold != fold]
    share = 0.0 if fold is None else recipe.fit.validation_share
    groups = validation_groups(training, share, recipe.seed)
    rows = np.array([row for row, clip in enumerate(clips) if clip.fold != fold])
    held = np.array([clips[row].group in groups for row in rows])
    return rows[~held], rows[held]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """What the joint part hears of each clip: (rows, renderings, chunks, frames, width), addressed by `places`."""

    mel_frames: Tensor
    log_mel: NDArray[np.float16]
    chroma: NDArray[np.float16]
    places: NDArray[np.int64]  # row of the manifest -> row of mel_frames, -1 where it was not heard
    dct: Tensor


def _hear(network: LateFusion, crops: Crops, rows: NDArray[np.int64], progress: Progress) -> Labelled:
    """The frozen encoder over every chunk of the rows."""
    encoder = network.mel.eval().requires_grad_(False)
    places = np.full(len(crops.log_mel), -1)
    frames: list[Tensor] = []
    with torch.inference_mode():
        for number, row in enumerate(rows):
            chunks = torch.from_numpy(crops.log_mel[row]).float()
            frames.append(encoder(chunks.flatten(0, 1)).half().unflatten(0, chunks.shape[:2]))
            places[row] = number
            progress(number + 1, len(rows), "the encoder hears the labelled clips")
    dct = filterbanks.features(FeatureSpec()).dct
    return Labelled(
        mel_frames=torch.stack(frames).clone(), log_mel=crops.log_mel, chroma=crops.chroma, places=places, dct=dct
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    labelled: Labelled
    targets: Targets
    learned: NDArray[np.int64]
    aside: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Best:
    epoch: int
    loss: float
    weights: dict[str, Tensor]


def _answers(network: LateFusion, labelled: Labelled, rows: NDArray[np.int64], which: tuple[Any, Any]) -> Answers:
    """The answers for one chunk a row: `which` are its rendering and its number."""
    mel_frames = labelled.mel_frames[labelled.places[rows], which[0], which[1]].float()
    log_mel = torch.from_numpy(labelled.log_mel[rows, which[0], which[1]]).float()
    chroma = torch.from_numpy(labelled.chroma[rows, which[0], which[1]]).float()
    return network.fuse(mel_frames, log_mel @ labelled.dct, chroma)


def _learn(
    network: LateFusion, data: _Data, recipe: Recipe, epochs: int, state_file: Path, progress: Progress
) -> _Best:
    """The best epoch's running average; without artists aside, the last one's."""
    settings = recipe.fit
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=settings.peak_rate, weight_decay=settings.weight_decay)
    average = AveragedModel(network, multi_avg_fn=ema(settings.average), use_buffers=True)
    best, epoch = None, 0
    if state := load_state(state_file):
        epoch = state["epoch"]
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        best = _Best(**state["best"]) if state["best"] else None
    while epoch < epochs and not (best and epoch - best.epoch >= settings.patience):
        _epoch(network, average, optimizer, data, recipe, epoch)
        epoch += 1
        averaged = average.module
        assert isinstance(averaged, LateFusion)
        loss = _validate(averaged, data, recipe) if len(data.aside) else 0.0
        if best is None or loss < best.loss or not len(data.aside):
            best = _Best(epoch=epoch, loss=loss, weights=copy.deepcopy(averaged.state_dict()))
        state = {
            "epoch": epoch,
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "best": {"epoch": best.epoch, "loss": best.loss, "weights": best.weights},
        }
        save_state(state_file, state)
        progress(epoch, epochs, f"learn labels, validation loss {loss:.3f}, best {best.loss:.3f}")
    assert best is not None
    return best


def _epoch(
    network: LateFusion,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    data: _Data,
    recipe: Recipe,
    epoch: int,
) -> None:
    settings = recipe.fit
    generator = np.random.default_rng((recipe.seed, 1, epoch))
    torch.manual_seed(recipe.seed + epoch)  # dropout: the same in a resumed run
    order = generator.permutation(data.learned)
    per_epoch = len(order) // settings.batch
    _, renderings, chunks = data.labelled.mel_frames.shape[:3]
    network.train()
    network.mel.eval()
    for step in range(per_epoch):
        rows = order[step * settings.batch : (step + 1) * settings.batch]
        which = generator.integers(0, renderings, len(rows)), generator.integers(0, chunks, len(rows))
        answers = _answers(network, data.labelled, rows, which)
        rate = one_cycle(epoch * per_epoch + step, settings.epochs * per_epoch, settings.peak_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = answers_loss(
            answers, data.targets.rows(torch.from_numpy(rows)), settings.weights, settings.source_weight
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.update_parameters(network)


def pooled(network: LateFusion, labelled: Labelled, rows: NDArray[np.int64]) -> dict[str, Tensor]:
    """Mean over the plan's chunks of each head's outputs, (rows, n), for the clips as they are."""
    network.eval()
    with torch.inference_mode():
        heard = [_answers(network, labelled, rows, (0, chunk)).outputs for chunk in range(labelled.mel_frames.shape[2])]
    return {head: torch.stack([outputs[head] for outputs in heard]).mean(dim=0) for head in heard[0]}


def _validate(network: LateFusion, data: _Data, recipe: Recipe) -> float:
    outputs = pooled(network, data.labelled, data.aside)
    answers = Answers(outputs, {head: output.unsqueeze(1) for head, output in outputs.items()}, torch.empty(0))
    rows = data.targets.rows(torch.from_numpy(data.aside))
    return float(answers_loss(answers, rows, recipe.fit.weights, 0.0))
