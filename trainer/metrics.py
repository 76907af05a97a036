"""Measures of answers against the truth, each a plain function of arrays; intervals are made in `trainer.intervals`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

# --- one label out of several ----------------------------------------------------------------------------------------


def accuracy(truth: Rows, predicted: Rows) -> float:
    return float(np.mean(truth == predicted)) if len(truth) else float("nan")


def top_k(truth: Rows, probabilities: Floats, k: int) -> float:
    """Share of rows whose truth is among the k most probable labels."""
    surest = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
    return float(np.mean((surest == truth[:, None]).any(axis=1)))


def confusion(truth: Rows, predicted: Rows, labels: int) -> NDArray[np.int64]:
    """(labels, labels): rows are the truth."""
    return np.bincount(truth * labels + predicted, minlength=labels * labels).reshape(labels, labels)


def by_class(truth: Rows, predicted: Rows, labels: int) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each class, (labels,); NaN where nothing was said of it, or there is no clip of it.

    F1 is 0 for a class that has clips and no hit, NaN for one that is neither there nor answered.
    """
    counts = confusion(truth, predicted, labels)
    hits, answered, there = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return hits / answered, hits / there, 2 * hits / (answered + there)


def macro_f1(truth: Rows, predicted: Rows) -> float:
    """Mean F1 over the classes that have clips or are answered."""
    return float(np.nanmean(by_class(truth, predicted, int(max(truth.max(), predicted.max())) + 1)[2]))


def class_mean(truth: Rows, predicted: Rows, classes: Sequence[int]) -> float:
    """Mean over classes of the share of their clips that are recognised."""
    shares = [accuracy(truth[truth == number], predicted[truth == number]) for number in classes]
    return float(np.mean(shares))


def in_set(candidates: Flags, predicted: Rows) -> float:
    """Share of rows whose prediction is one of their candidates."""
    return float(np.mean(candidates[np.arange(len(predicted)), predicted]))


# --- rankings --------------------------------------------------------------------------------------------------------


def roc_auc(positive: Flags, scores: Floats) -> float:
    """Area under the ROC curve: how often a positive row scores above a negative one; NaN without both."""
    hits, others = scores[positive], np.sort(scores[~positive])
    if not (len(hits) and len(others)):
        return float("nan")
    below = np.searchsorted(others, hits, "left").sum() + np.searchsorted(others, hits, "right").sum()
    return float(below / (2 * len(hits) * len(others)))


def average_precision(positive: Flags, scores: Floats) -> float:
    """Area under the precision-recall curve, as a sum over thresholds; rows of equal score count together."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(positive[order])[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])


def macro_roc_auc(truth: Rows, probabilities: Floats) -> float:
    """Mean over the labels that have clips, each against the rest."""
    return float(np.mean([roc_auc(truth == label, probabilities[:, label]) for label in np.unique(truth)]))


def macro_average_precision(truth: Rows, probabilities: Floats) -> float:
    """Mean over the labels that have clips, each against the rest."""
    return float(np.mean([average_precision(truth == label, probabilities[:, label]) for label in np.unique(truth)]))


# --- probabilities ---------------------------------------------------------------------------------------------------


def negative_log_likelihood(truth: Rows, probabilities: Floats) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, None)).mean())


def brier(truth: Rows, probabilities: Floats) -> float:
    """Mean squared distance between the probabilities and the truth (Brier 1950), over all classes."""
    right = np.eye(probabilities.shape[1])[truth]
    return float(np.square(probabilities - right).sum(axis=1).mean())


def equal_mass(confidence: Floats, bins: int = 10) -> list[Rows]:
    """Rows in bins of equal size, least certain first; fewer bins where there are fewer rows."""
    return [part for part in np.array_split(np.argsort(confidence, kind="stable"), bins) if len(part)]


def calibration_error(hit: Flags, confidence: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal mass: mean |accuracy - confidence|, weighted by size."""
    gaps = [abs(hit[part].mean() - confidence[part].mean()) * len(part) for part in equal_mass(confidence, bins)]
    return float(sum(gaps) / len(hit))


def gain_by_silence(hit: Flags, confidence: Floats, kept: float = 2 / 3) -> float:
    """Accuracy gained by keeping silent on the least certain."""
    surest = np.argsort(-confidence, kind="stable")[: max(1, round(kept * len(hit)))]
    return float(hit[surest].mean() - hit.mean())


def risks(hit: Flags, confidence: Floats) -> Floats:
    """(rows,): share of wrong answers among the 1, 2, 3, ... most certain (El-Yaniv, Wiener 2010)."""
    wrong = ~hit[np.argsort(-confidence, kind="stable")]
    return np.asarray(np.cumsum(wrong) / np.arange(1, len(hit) + 1))


def mean_risk(hit: Flags, confidence: Floats) -> float:
    """Area under the risk-coverage curve."""
    return float(risks(hit, confidence).mean())


# --- numbers ---------------------------------------------------------------------------------------------------------


def pearson(truth: Floats, guessed: Floats) -> float:
    if len(truth) < 3 or truth.std() == 0 or guessed.std() == 0:
        return float("nan")
    return float(np.corrcoef(truth, guessed)[0, 1])


def spearman(truth: Floats, guessed: Floats) -> float:
    return pearson(rankdata(truth), rankdata(guessed))


def concordance(truth: Floats, guessed: Floats) -> float:
    """Concordance correlation coefficient (Lin 1989)."""
    covariance = np.mean((truth - truth.mean()) * (guessed - guessed.mean()))
    return float(2 * covariance / (truth.var() + guessed.var() + (truth.mean() - guessed.mean()) ** 2))


def root_mean_square(truth: Floats, guessed: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(truth - guessed))))


def mean_absolute(truth: Floats, guessed: Floats) -> float:
    return float(np.mean(np.abs(truth - guessed)))


def explained(truth: Floats, guessed: Floats) -> float:
    """R², the share of the truth's variance that is explained; negative where the mean would do better."""
    spread = float(np.square(truth - truth.mean()).sum())
    return float("nan") if spread == 0 else float(1 - np.square(truth - guessed).sum() / spread)
