"""Figures over out-of-fold predictions, each with a bootstrap interval over artists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value, the 95 % interval that resampling artists gives, and over how many clips."""

    value: float
    low: float
    high: float
    clips: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def with_interval(
    measure: Callable[[Rows], float], groups: Sequence[str], *, resamples: int = 1_000, seed: int = 0
) -> Figure:
    """`measure` over all rows, and over samples of artists drawn with replacement (percentile bootstrap).

    `measure` takes rows, with repetition, into whatever it measures; samples for which it is not defined (NaN) are
    left out.
    """
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    by_group = [np.flatnonzero(members == number) for number in range(len(names))]
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = generator.integers(0, len(names), len(names))
        values.append(measure(np.concatenate([by_group[number] for number in drawn])))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Figure(value=measure(np.arange(len(groups))), low=float(low), high=float(high), clips=len(groups))


def accuracy(truth: Rows, predicted: Rows) -> float:
    return float(np.mean(truth == predicted)) if len(truth) else float("nan")


def top_k(truth: Rows, probabilities: Floats, k: int) -> float:
    """Share of rows whose truth is among the k most probable labels."""
    surest = np.argsort(-probabilities, axis=1)[:, :k]
    return float(np.mean((surest == truth[:, None]).any(axis=1)))


def macro_f1(truth: Rows, predicted: Rows) -> float:
    return float(f1_score(truth, predicted, average="macro", zero_division=0))


def class_mean(truth: Rows, predicted: Rows, classes: Sequence[int]) -> float:
    """Mean over classes of the share of their clips that are recognised."""
    shares = [accuracy(truth[truth == number], predicted[truth == number]) for number in classes]
    return float(np.mean(shares))


def in_set(candidates: NDArray[np.bool_], predicted: Rows) -> float:
    """Share of rows whose prediction is one of their candidates."""
    return float(np.mean(candidates[np.arange(len(predicted)), predicted]))


def by_class(truth: Rows, predicted: Rows, labels: int) -> list[tuple[float, float, float, int]]:
    """Precision, recall, F1 and number of clips of each class."""
    columns = precision_recall_fscore_support(truth, predicted, labels=list(range(labels)), zero_division=0)
    return [(float(p), float(r), float(f), int(n)) for p, r, f, n in zip(*columns, strict=True)]


def confusion(truth: Rows, predicted: Rows, labels: int) -> NDArray[np.int64]:
    """(labels, labels): rows are the truth."""
    return np.asarray(confusion_matrix(truth, predicted, labels=list(range(labels))))


def negative_log_likelihood(truth: Rows, probabilities: Floats) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, None)).mean())


def brier(truth: Rows, probabilities: Floats) -> float:
    """Mean squared distance between the probabilities and the truth (Brier 1950), over all classes."""
    right = np.eye(probabilities.shape[1])[truth]
    return float(np.square(probabilities - right).sum(axis=1).mean())


def calibration_error(hit: NDArray[np.bool_], confidence: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal mass: mean |accuracy - confidence|, weighted by size."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    gaps = [abs(hit[part].mean() - confidence[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(hit))


def gain_by_silence(hit: NDArray[np.bool_], confidence: Floats, kept: float = 2 / 3) -> float:
    """Accuracy gained by keeping silent on the least certain."""
    surest = np.argsort(-confidence, kind="stable")[: max(1, round(kept * len(hit)))]
    return float(hit[surest].mean() - hit.mean())


def pearson(truth: Floats, guessed: Floats) -> float:
    if len(truth) < 3 or truth.std() == 0 or guessed.std() == 0:
        return float("nan")
    return float(np.corrcoef(truth, guessed)[0, 1])


def concordance(truth: Floats, guessed: Floats) -> float:
    """Concordance correlation coefficient (Lin 1989)."""
    covariance = np.mean((truth - truth.mean()) * (guessed - guessed.mean()))
    return float(2 * covariance / (truth.var() + guessed.var() + (truth.mean() - guessed.mean()) ** 2))


def root_mean_square(truth: Floats, guessed: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(truth - guessed))))
