"""Files of a run: trained networks as safetensors, and the state from which a stopped training goes on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tagger.records import TaggerError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A trained network of a run, as it lies on disk."""

    about: Mapping[str, Any]  # network, features, recipe, seed, fold, what training saw
    tensors: Mapping[str, Tensor]


def save_model(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Written beside, then renamed: a reader never sees half a file."""
    part = path.with_suffix(".part")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(plain, part, metadata={"about": json.dumps(about, sort_keys=True)})
    part.replace(path)


def load_model(path: Path) -> Model:
    """Raises TaggerError where the file is not there."""
    if not path.exists():
        raise TaggerError(f"{path} is missing: run `trainer train` first")
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        return Model(about=about, tensors={name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Everything that training needs to go on, as if it had never stopped."""
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    part.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The state, or None where training has not begun. Plain tensors and numbers only, so loading runs no code."""
    return torch.load(path, weights_only=True) if path.exists() else None


def fold_folder(run: Path, fold: int | None) -> Path:
    """Where the training that leaves out `fold` keeps its files; None: the refit on all folds."""
    folder = run / ("all" if fold is None else f"fold-{fold}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
