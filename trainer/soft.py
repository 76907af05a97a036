"""Soft labels: the moods that pretrained taggers' embeddings suggest for clips of artists that no regression has met.

They say how certain a mood can be heard, and give one to clips of the sets that have none (self-training, with more
ears than the network will have). Each training fold's suggestions come from logistic regressions on the other training
folds; no other label is looked at.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tagger.records import TaggerError
from trainer.losses import share_loss
from trainer.manifest import Clip
from trainer.targets import Targets

TAGGERS = ("jam_musicnn", "jam_fcn", "jam_crnn", "msd_fcn", "mtat_fcn", "yamnet", "mn04")
"""Files of the data's `teacher` folder; see its README for what they are."""
REGULARISATION = {"mood": 3e-3, "cluster": 1e-3}
"""Inverse strength, a head; of .0003, .001 and .003 the one with the least log-loss inside the training folds."""


def soften(data: Path, clips: Sequence[Clip], rows: NDArray[np.int64], targets: Targets, share: float) -> Targets:
    """`targets` with `share` of each known mood and cluster, and the whole of an unknown one, as suggested.

    Only `rows`, those that are learned from, are looked at and changed, and of them those that the taggers have heard.
    Raises TaggerError where `data` holds no embeddings.
    """
    folds = torch.full((len(clips),), -1)  # never looked at
    folds[rows] = torch.tensor([clips[row].fold for row in rows])
    used, embeddings = _embeddings(data, clips, folds)
    values, known = dict(targets.values), dict(targets.known)
    for head, strength in REGULARISATION.items():
        suggested = _suggested(embeddings, used, folds, targets.values[head], strength)
        has, said = known[head].unsqueeze(1), suggested.sum(dim=1, keepdim=True) > 0
        softened = torch.where(has, (1 - share) * values[head] + share * suggested, suggested)
        values[head] = torch.where(said, softened, values[head])
        known[head] = (has | said).squeeze(1)
    return Targets(values, known, targets.weights)


def _embeddings(data: Path, clips: Sequence[Clip], folds: Tensor) -> tuple[Tensor, Tensor]:
    """Which clips are used; the taggers' embeddings side by side, (clips, dimensions), standardised over those."""
    folder = data / "teacher"
    try:
        places = {key: place for place, key in enumerate(np.load(folder / "clips.npy").tolist())}
        parts = [np.load(folder / f"{name}.npz")["embedding"].astype(np.float32) for name in TAGGERS]
    except OSError as error:
        raise TaggerError(f"{folder}: {error}; soft labels need the taggers' embeddings, or soft_share = 0") from error
    place = torch.tensor([places.get(clip.key, -1) for clip in clips])
    used = (place >= 0) & (folds >= 0)
    table = torch.from_numpy(np.concatenate(parts, axis=1))[place]
    return used, (table - table[used].mean(dim=0)) / (table[used].std(dim=0) + 1e-3)


def _suggested(embeddings: Tensor, used: Tensor, folds: Tensor, shares: Tensor, strength: float) -> Tensor:
    """Probabilities, (clips, labels); zeros where nothing is suggested."""
    suggested, known = torch.zeros_like(shares), shares.sum(dim=1) > 0
    for fold in set(folds[used].tolist()):
        met, asked = used & known & (folds != fold), used & (folds == fold)
        if met.any():
            suggested[asked] = _regressed(embeddings[met], shares[met], strength, embeddings[asked])
    return suggested


def _regressed(embeddings: Tensor, shares: Tensor, strength: float, asked: Tensor) -> Tensor:
    """What a logistic regression from `embeddings` to `shares` says of the embeddings that are asked about."""
    layer = nn.Linear(embeddings.shape[1], shares.shape[1])
    nn.init.zeros_(layer.weight)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        fit = strength * share_loss(layer(embeddings), shares).sum()
        total = fit + layer.weight.square().sum() / 2
        total.backward()  # type: ignore[no-untyped-call]
        return total.item()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return torch.softmax(layer(asked), dim=1).detach()
