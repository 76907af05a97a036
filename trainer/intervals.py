"""Figures with intervals that artists give: clips of one artist are not independent, so artists are resampled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Measure = Callable[[Rows], float]
"""Takes rows, with repetition, into whatever it measures; NaN where it is not defined on them."""

RESAMPLES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value, the 95 % interval that resampling artists gives, and over how many clips."""

    value: float
    low: float
    high: float
    clips: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def with_interval(measure: Measure, groups: Sequence[str]) -> Figure:
    """`measure` over all rows, and over samples of artists drawn with replacement (percentile bootstrap).

    Samples for which it is not defined are left out; the interval is NaN where it is defined for none.
    """
    values = np.array([measure(rows) for rows in _resampled(tuple(groups), RESAMPLES)])
    return _figure(measure(np.arange(len(groups))), values, len(groups))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two values, means over seeds, and how much more the second is."""

    before: float
    after: float
    difference: Figure


def paired(first: Sequence[Measure], second: Sequence[Measure], groups: Sequence[str]) -> Pair:
    """Each side is one measure a seed; a resample draws the same artists for both, and seeds within each."""
    generator = np.random.default_rng(1)
    values = []
    for rows in _resampled(tuple(groups), RESAMPLES):
        drawn = [[side[seed] for seed in generator.integers(0, len(side), len(side))] for side in (first, second)]
        before, after = (_mean(side, rows) for side in drawn)
        values.append(after - before)
    before, after = (_mean(side, np.arange(len(groups))) for side in (first, second))
    return Pair(before=before, after=after, difference=_figure(after - before, np.array(values), len(groups)))


def _mean(measures: Sequence[Measure], rows: Rows) -> float:
    return float(np.mean([measure(rows) for measure in measures]))


@lru_cache(maxsize=32)
def _resampled(groups: tuple[str, ...], resamples: int) -> list[Rows]:
    """The same artists always give the same samples: figures over the same clips are paired by that."""
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    by_group = [np.flatnonzero(members == number) for number in range(len(names))]
    generator = np.random.default_rng(0)
    return [
        np.concatenate([by_group[number] for number in generator.integers(0, len(names), len(names))])
        for _ in range(resamples)
    ]


def _figure(value: float, values: NDArray[np.float64], clips: int) -> Figure:
    known = values[~np.isnan(values)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return Figure(value=value, low=float(low), high=float(high), clips=clips)
