"""The pictures of a report: colours that everybody can tell apart (Okabe and Ito 2008), intervals wherever they fit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from trainer import metrics
from trainer.evaluate import SOFTMAX
from trainer.figures import Choice, Numbers
from trainer.questions import Line
from trainer.reliability import bins

BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
_FIFTHS = np.linspace(0, 1, 6)
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9,
        "legend.frameon": False,
    }
)


def _axes(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Canvas, list[Any]]:
    canvas, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    return canvas, list(axes.flat)


def _save(canvas: Canvas, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.tight_layout()
    canvas.savefig(path, dpi=170, metadata={"Software": None})
    plt.close(canvas)
    return path


def confusion(path: Path, heads: Mapping[str, Choice]) -> Path:
    """A matrix a head, shares of each label's clips as shade, numbers of clips as text."""
    sizes = [len(SOFTMAX[head]) for head in heads]
    width = 7.2 if len(heads) > 1 else 1.6 + 0.34 * sizes[0]
    canvas, panels = _axes(width, 3.4 if len(heads) > 1 else width * 0.9, columns=len(heads))
    for axes, (head, of) in zip(panels, heads.items(), strict=True):
        labels = SOFTMAX[head]
        counts = metrics.confusion(of.truth, of.guessed, len(labels))
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(labels)), labels, rotation=50, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="answer", ylabel="label", title=head)
        for row, column in np.argwhere(counts > 0):
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=shade, fontsize=7)
    return _save(canvas, path)


def reliability(path: Path, heads: Mapping[str, Choice]) -> Path:
    """Ten bins of equal mass a head: mean confidence against the share that is right, with its interval."""
    canvas, panels = _axes(7.2, 2.9, columns=len(heads))
    for axes, (head, of) in zip(panels, heads.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle="--", label="as it should be")
        found = bins(of)
        right = np.array([one.right.value for one in found])
        spread = [right - [one.right.low for one in found], [one.right.high for one in found] - right]
        sure = [one.confidence for one in found]
        axes.errorbar(sure, right, np.maximum(spread, 0), color=BLUE, marker="o", markersize=4, capsize=2, linewidth=1)
        axes.set(xlabel="confidence", title=head, xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=_FIFTHS)
    panels[0].set_ylabel("share that is right")
    return _save(canvas, path)


def risk_coverage(path: Path, heads: Mapping[str, Choice]) -> Path:
    """Accuracy against the share of clips that are answered, the most certain first."""
    canvas, (axes,) = _axes(4.6, 3.0)
    for (head, of), colour, line in zip(heads.items(), (BLUE, ORANGE, GREEN), ("-", "--", ":"), strict=False):
        right = 1 - metrics.risks(of.hit, of.confidence)
        coverage = np.arange(1, len(right) + 1) / len(right)
        first = max(1, len(right) // 20)  # a share of ten clips is noise
        axes.plot(coverage[first:], right[first:], color=colour, linestyle=line, label=head)
    axes.axvline(2 / 3, color="#999999", linewidth=0.8)
    axes.set(xlabel="share of clips answered, most certain first", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower left")
    return _save(canvas, path)


def scatter(path: Path, panels: Sequence[tuple[str, Numbers]]) -> Path:
    """Truth against guess, a panel each, with the line of equality."""
    columns = 3
    rows = -(-len(panels) // columns)
    canvas, every = _axes(7.2, 2.6 * rows, rows, columns)
    for axes in every[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, of) in zip(every, panels, strict=False):
        axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle="--")
        axes.scatter(of.truth, of.guessed, s=6, alpha=0.45, color=BLUE, linewidths=0)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=_FIFTHS, title=title, xlabel="label", ylabel="answer")
        axes.text(0.04, 0.91, f"r = {metrics.pearson(of.truth, of.guessed):.2f}", transform=axes.transAxes)
    return _save(canvas, path)


def curves(path: Path, head: str, of: Choice) -> Path:
    """ROC and precision-recall of each label against the rest."""
    canvas, (left, right) = _axes(7.2, 3.1, columns=2)
    styles = zip((BLUE, RED, GREEN, ORANGE), ("-", "--", "-.", ":"), strict=True)
    for (number, label), (colour, line) in zip(enumerate(SOFTMAX[head]), styles, strict=True):
        positive, scores = of.truth == number, of.probabilities[:, number]
        hits, alarms = _cumulated(positive, scores)
        area = metrics.roc_auc(positive, scores)
        left.plot(alarms / (~positive).sum(), hits / positive.sum(), color=colour, linestyle=line,
                  label=f"{label}, {area:.2f}")  # fmt: skip
        area = metrics.average_precision(positive, scores)
        right.plot(hits / positive.sum(), hits / (hits + alarms), color=colour, linestyle=line,
                   label=f"{label}, {area:.2f}")  # fmt: skip
    left.plot([0, 1], [0, 1], color="#777777", linewidth=0.8)
    left.set(xlabel="false alarms, share of other clips", ylabel="recall", title="ROC, area under it")
    right.set(xlabel="recall", ylabel="precision", title="precision and recall, area under it", ylim=(0, 1.02))
    left.legend(loc="lower right")
    right.legend(loc="lower left")
    return _save(canvas, path)


def _cumulated(positive: metrics.Flags, scores: metrics.Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hits and false alarms as the threshold falls."""
    ranked = positive[np.argsort(-scores, kind="stable")]
    return np.cumsum(ranked), np.cumsum(~ranked)


def within(path: Path, lines: Sequence[Line]) -> Path:
    """Mood accuracy among the clips of a genre, beside what a constant answer gets there."""
    canvas, (axes,) = _axes(6.2, 0.6 + 0.25 * len(lines))
    places = np.arange(len(lines))[::-1]
    values = np.array([line.figure.value for line in lines])
    spread = [values - [line.figure.low for line in lines], [line.figure.high for line in lines] - values]
    axes.errorbar(
        values, places, xerr=np.maximum(spread, 0), fmt="o", color=BLUE, markersize=4, capsize=2, label="ours"
    )
    constant = [line.constant for line in lines]
    axes.scatter(constant, places, marker="x", color=RED, s=22, label="a constant answer")
    axes.set_yticks(places, [f"{line.clips} ({line.figure.clips})" for line in lines])
    axes.set(xlabel="mood accuracy", xlim=(0, 1))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _save(canvas, path)
