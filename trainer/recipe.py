"""A system of the trainer as one small TOML file; unknown keys are refused by name.

An ablation names the recipe that it is measured against and holds what differs.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from tagger.records import TaggerError


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRecipe:
    crops_per_fold: int
    mixed_share: float
    mix_db: tuple[float, float]
    gain_db: tuple[float, float]
    equalizer_share: float
    equalizer_db: float
    low_pass_share: float
    high_pass_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillRecipe:
    crops: int
    batch: int
    peak_rate: float
    weight_decay: float
    average: float
    mean_weight: float
    logits_weight: float
    gain_db: float
    mask_share: float
    validation_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRecipe:
    crops: int
    batch: int
    peak_rate: float
    encoder_rate: float
    weight_decay: float
    average: float
    distill_weight: float
    renderings: int
    gain_db: float
    mask_share: float
    genre_prior: float
    soft_share: float
    validation_share: float
    branches: tuple[str, ...]
    fusion: str
    dropout: float
    source_weight: float
    weights: Mapping[str, float]
    set_weights: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str
    seed: int
    pool: PoolRecipe
    distill: DistillRecipe
    fit: FitRecipe

    def config(self) -> dict[str, Any]:
        """As JSON can hold it, for checkpoints and cards."""
        return asdict(self)


_Part = TypeVar("_Part")


def shipped(name: str) -> Path:
    """The file of a recipe that comes with the trainer."""
    return Path(__file__).parent / "recipes" / f"{name}.toml"


def load(path: Path) -> Recipe:
    """A recipe, or what differs in it from the shipped recipe that its `base` names.

    Raises TaggerError where a file cannot be read, or a key is unknown or missing.
    """
    values = _read(path)
    if base := values.pop("base", None):
        values = _merged(_read(shipped(base)), values)
    parts = {"pool": PoolRecipe, "distill": DistillRecipe, "fit": FitRecipe}
    built = {
        key: _part(parts[key], value, f"{path} [{key}]") if key in parts else value for key, value in values.items()
    }
    return _part(Recipe, built, str(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        folder = Path(__file__).parent / "recipes"
        known = ", ".join(sorted(str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("*.toml")))
        raise TaggerError(f"{path}: {error.strerror}; the recipes that come with the trainer: {known}") from error
    except tomllib.TOMLDecodeError as error:
        raise TaggerError(f"{path}: {error}") from error


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, anything else is replaced."""
    both = {
        key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in changes.items()
    }
    return {**base, **both}


def _part(kind: type[_Part], values: Mapping[str, Any], where: str) -> _Part:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise TaggerError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")
    if missing := sorted(known - set(values)):
        raise TaggerError(f"{where}: {missing[0]!r} is missing")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
