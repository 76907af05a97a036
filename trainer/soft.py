"""Soft labels: the moods that pretrained taggers' embeddings suggest for clips of artists that no regression has met.

They say how certain a mood can be heard, and give one to clips of the sets that have none (self-training, with more
ears than the network will have). Each training fold's suggestions come from logistic regressions on the other training
folds; the test fold's labels are never looked at.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tagger.records import TaggerError
from trainer.manifest import Clip
from trainer.targets import Targets

HEADS = ("mood", "cluster")
TAGGERS = ("jam_musicnn", "jam_fcn", "jam_crnn", "msd_fcn", "mtat_fcn", "yamnet", "mn04")
"""Files of the data's `teacher` folder; see its README for what they are."""
REGULARISATION = 3e-3
"""Inverse strength; of .0003, .001 and .003 the one with the least log-loss inside the training folds."""


def soften(data: Path, clips: Sequence[Clip], fold: int | None, targets: Targets, share: float) -> Targets:
    """`targets` with `share` of each known mood and cluster, and the whole of an unknown one, as suggested.

    Rows of `fold` and clips that the taggers have not heard stay as they are. Raises TaggerError where `data` holds no
    embeddings.
    """
    folds = np.array([-1 if clip.fold == fold else clip.fold for clip in clips])  # -1: never looked at
    used, embeddings = _embeddings(data, clips, folds)
    values, known = dict(targets.values), dict(targets.known)
    for head in HEADS:
        suggested = _suggested(embeddings, used, folds, targets.values[head])
        has, said = known[head].unsqueeze(1), suggested.sum(dim=1, keepdim=True) > 0
        softened = torch.where(has, (1 - share) * values[head] + share * suggested, suggested)
        values[head] = torch.where(said, softened, values[head])
        known[head] = (has | said).squeeze(1)
    return Targets(values, known, targets.weights)


def _embeddings(
    data: Path, clips: Sequence[Clip], folds: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which clips are used; the taggers' embeddings side by side, (clips, dimensions), standardised over those."""
    folder = data / "teacher"
    try:
        places = {key: place for place, key in enumerate(np.load(folder / "clips.npy").tolist())}
        parts = [np.load(folder / f"{name}.npz")["embedding"].astype(np.float32) for name in TAGGERS]
    except OSError as error:
        raise TaggerError(f"{folder}: {error}; soft labels need the taggers' embeddings, or soft_share = 0") from error
    place = np.array([places.get(clip.key, -1) for clip in clips])
    used = (place >= 0) & (folds >= 0)
    table = np.concatenate(parts, axis=1)[place]
    return used, (table - table[used].mean(axis=0)) / (table[used].std(axis=0) + 1e-3)


def _suggested(
    embeddings: NDArray[np.float32], used: NDArray[np.bool_], folds: NDArray[np.int64], labels: Tensor
) -> Tensor:
    """Probabilities, (clips, labels); zeros where nothing is suggested."""
    truth, known = labels.argmax(dim=1).numpy(), (labels.sum(dim=1) > 0).numpy()
    suggested = torch.zeros_like(labels)
    for fold in np.unique(folds[used]):
        met = used & known & (folds != fold)
        if len(np.unique(truth[met])) < 2:
            continue  # nothing to tell apart
        rows = np.flatnonzero(used & (folds == fold))
        model = LogisticRegression(C=REGULARISATION, max_iter=200, tol=1e-3).fit(embeddings[met], truth[met])
        guessed = torch.from_numpy(model.predict_proba(embeddings[rows])).float()
        suggested[rows[:, None], model.classes_] = guessed
    return suggested
