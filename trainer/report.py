"""What the folds' predictions amount to: figures with intervals, tables, pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure as Picture
from numpy.typing import NDArray

from tagger.vocabulary import GENRES, MOODS
from trainer import metrics
from trainer.drift import Drift
from trainer.evaluate import Predictions, rows_where, single_label
from trainer.manifest import CLUSTERS, Clip
from trainer.metrics import Figure, with_interval

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure of the report: what it is, over which clips, and what a constant answer would get."""

    name: str
    clips: str
    figure: Figure
    constant: float | None = None


def lines(predictions: Predictions) -> list[Line]:
    """Every figure; ishkur is in none of them."""
    return [*_mood(predictions), *_clusters(predictions), *_genre(predictions), *_ratings(predictions)]


def _mood(predictions: Predictions) -> list[Line]:
    rows = rows_where(predictions.clips, lambda clip: clip.mood is not None)
    truth = _truth("mood", predictions, rows)
    probabilities = predictions.probabilities("mood")[rows]
    guessed, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    groups, hit = _groups(predictions, rows), guessed == truth
    where = "4q"
    return [
        Line(name="mood accuracy", clips=where, constant=_constant(truth),
             figure=with_interval(lambda r: metrics.accuracy(truth[r], guessed[r]), groups)),
        Line(name="mood macro-F1", clips=where,
             figure=with_interval(lambda r: metrics.macro_f1(truth[r], guessed[r]), groups)),
        Line(name="mood log-loss", clips=where,
             figure=with_interval(lambda r: metrics.negative_log_likelihood(truth[r], probabilities[r]), groups)),
        Line(name="mood Brier score", clips=where,
             figure=with_interval(lambda r: metrics.brier(truth[r], probabilities[r]), groups)),
        Line(name="mood calibration error, 10 equal-mass bins", clips=where,
             figure=with_interval(lambda r: metrics.calibration_error(hit[r], sure[r]), groups)),
        Line(name="mood accuracy gained by silence on the least certain third", clips=where,
             figure=with_interval(lambda r: metrics.gain_by_silence(hit[r], sure[r]), groups)),
    ]  # fmt: skip


def _clusters(predictions: Predictions) -> list[Line]:
    rows = rows_where(predictions.clips, lambda clip: clip.cluster is not None)
    truth = _truth("cluster", predictions, rows)
    guessed = predictions.outputs["cluster"][rows].argmax(axis=1)
    figure = with_interval(lambda r: metrics.accuracy(truth[r], guessed[r]), _groups(predictions, rows))
    return [Line(name="mood cluster accuracy", clips="mirex", figure=figure, constant=_constant(truth))]


def _genre(predictions: Predictions) -> list[Line]:
    found = [_in_set(predictions)]
    single = rows_where(predictions.clips, lambda clip: single_label("genre", clip) is not None)
    probabilities = predictions.probabilities("genre")
    truth = np.array([GENRES.index(predictions.clips[row].genres[0]) for row in single])
    guessed, groups = probabilities[single].argmax(axis=1), _groups(predictions, single)
    three = [GENRES.index(genre) for genre in ("pop", "rock", "metal")]
    of_three = np.flatnonzero(np.isin(truth, three))
    hit, sure = guessed == truth, probabilities[single].max(axis=1)
    found += [
        Line(name="pop, rock, metal recognised, mean of the three", clips="single label",
             figure=with_interval(lambda r: metrics.class_mean(truth[of_three][r], guessed[of_three][r], three),
                                  [groups[row] for row in of_three])),
        Line(name="genre accuracy, 17 labels", clips="single label", constant=_constant(truth),
             figure=with_interval(lambda r: metrics.accuracy(truth[r], guessed[r]), groups)),
        Line(name="genre among the three surest", clips="single label",
             figure=with_interval(lambda r: metrics.top_k(truth[r], probabilities[single][r], 3), groups)),
        Line(name="genre macro-F1", clips="single label",
             figure=with_interval(lambda r: metrics.macro_f1(truth[r], guessed[r]), groups)),
        Line(name="genre calibration error, 10 equal-mass bins", clips="single label",
             figure=with_interval(lambda r: metrics.calibration_error(hit[r], sure[r]), groups)),
    ]  # fmt: skip
    for name in ("gtzan", "musifeast"):
        part = np.flatnonzero([predictions.clips[row].set == name for row in single])
        if len(part):
            found.append(_of_set(name, truth[part], guessed[part], [groups[row] for row in part]))
    return found


def _of_set(name: str, truth: Rows, guessed: Rows, groups: Sequence[str]) -> Line:
    figure = with_interval(lambda r: metrics.accuracy(truth[r], guessed[r]), groups)
    return Line(name="genre accuracy, 17 labels", clips=f"{name}, single label", figure=figure)


def _in_set(predictions: Predictions) -> Line:
    rows = rows_where(predictions.clips, lambda clip: clip.set == "4q" and bool(clip.genres))
    candidates = np.array([[genre in predictions.clips[row].genres for genre in GENRES] for row in rows])
    guessed = predictions.outputs["genre"][rows].argmax(axis=1)
    figure = with_interval(lambda r: metrics.in_set(candidates[r], guessed[r]), _groups(predictions, rows))
    constant = float(candidates.mean(axis=0).max())
    return Line(name="genre in set", clips="4q clips that have a set", figure=figure, constant=constant)


def _ratings(predictions: Predictions) -> list[Line]:
    found = []
    for name, column in (("rated valence", 0), ("rated arousal", 1)):
        for data in ("musifeast", "nhs"):
            truth = {row: clip.rated[column] for row, clip in _of(data, predictions) if clip.rated}
            found += _correlations(name, data, predictions, truth, "rated", column)
    for name, column in (("valence from words", 0), ("arousal from words", 1), ("dominance from words", 2)):
        for data in ("4q", "mirex"):
            truth = {row: clip.words[column] for row, clip in _of(data, predictions) if clip.words}
            found += _correlations(name, data, predictions, truth, "words", column)
    return found


def _of(data: str, predictions: Predictions) -> list[tuple[int, Clip]]:
    return [(row, clip) for row, clip in enumerate(predictions.clips) if clip.set == data]


def _correlations(
    name: str, clips: str, predictions: Predictions, by_row: Mapping[int, float], head: str, column: int
) -> list[Line]:
    """Nothing where the data has no such clip."""
    if not by_row:
        return []
    rows, truth = np.array(list(by_row)), np.array(list(by_row.values()))
    guessed, groups = predictions.outputs[head][rows, column], _groups(predictions, rows)
    return [
        Line(name=f"{name}, Pearson r", clips=clips,
             figure=with_interval(lambda r: metrics.pearson(truth[r], guessed[r]), groups)),
        Line(name=f"{name}, concordance", clips=clips,
             figure=with_interval(lambda r: metrics.concordance(truth[r], guessed[r]), groups)),
        Line(name=f"{name}, RMSE", clips=clips,
             figure=with_interval(lambda r: metrics.root_mean_square(truth[r], guessed[r]), groups)),
    ]  # fmt: skip


def mood_within_genre(predictions: Predictions) -> list[tuple[str, float, int]]:
    """Mood accuracy among the 4Q clips that a genre is a candidate of: the two are confounded there."""
    probabilities = predictions.outputs["mood"]
    found = []
    for genre in GENRES:
        rows = rows_where(predictions.clips, lambda clip, g=genre: clip.mood is not None and g in clip.genres)  # type: ignore[misc]
        if len(rows) >= 20:
            truth = _truth("mood", predictions, rows)
            found.append((genre, metrics.accuracy(truth, probabilities[rows].argmax(axis=1)), len(rows)))
    return found


def write(
    run: Path, predictions: Predictions, drifts: Sequence[Drift], facts: Sequence[tuple[str, str]]
) -> tuple[str, list[Line]]:
    """report.md, report.json and pictures in `run`/report; the Markdown and its figures."""
    folder = run / "report"
    folder.mkdir(parents=True, exist_ok=True)
    found = lines(predictions)
    text = "\n".join(["# Evaluation", "", *_facts(facts), "", *table(found), "", *_by_class(predictions), "",
                      *_within(predictions), "", *drift_text(drifts)]) + "\n"  # fmt: skip
    (folder / "report.md").write_text(text, encoding="utf-8")
    (folder / "report.json").write_text(json.dumps([asdict(line) for line in found], indent=1))
    _pictures(folder, predictions)
    return text, found


def table(found: Sequence[Line]) -> list[str]:
    """The figures as a Markdown table."""
    head = ["| figure | clips | n | value [95 % interval over artists] | constant answer |", "|---|---|---|---|---|"]
    return head + [
        f"| {line.name} | {line.clips} | {line.figure.clips} | {line.figure} | "
        f"{'' if line.constant is None else f'{line.constant:.2f}'} |"
        for line in found
    ]


def _facts(facts: Sequence[tuple[str, str]]) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts]


def _by_class(predictions: Predictions) -> list[str]:
    out = ["| label | precision | recall | F1 | n |", "|---|---|---|---|---|"]
    for head, labels in (("mood", MOODS), ("genre", GENRES)):
        rows = rows_where(predictions.clips, lambda clip, h=head: single_label(h, clip) is not None)  # type: ignore[misc]
        truth, guessed = _truth(head, predictions, rows), predictions.outputs[head][rows].argmax(axis=1)
        for label, (p, r, f, n) in zip(labels, metrics.by_class(truth, guessed, len(labels)), strict=True):
            out.append(f"| {label} | {p:.2f} | {r:.2f} | {f:.2f} | {n} |")
    return out


def _within(predictions: Predictions) -> list[str]:
    parts = [f"{genre} {value:.2f} ({n})" for genre, value, n in mood_within_genre(predictions)]
    return ["Mood accuracy within candidate genres, 4q: " + ", ".join(parts) + "."]


def drift_text(drifts: Sequence[Drift]) -> list[str]:
    """How alike whole tracks are heard before and after the clips' codec; nothing where there are none."""
    if not drifts:
        return []
    moods, genres = sum(d.same_mood for d in drifts), sum(d.same_genre for d in drifts)
    shifts = ", ".join(f"{np.mean([d.shift(head) for d in drifts]):.3f} ({head})" for head in ("mood", "genre"))
    return [
        f"Whole tracks as they are and through Opus (mono, 16 kHz, 24 kbit/s): the same mood for {moods} of "
        f"{len(drifts)}, the same genre for {genres}; mean absolute drift of a probability {shifts}."
    ]


def _pictures(folder: Path, predictions: Predictions) -> None:
    for head, labels in (("mood", MOODS), ("genre", GENRES), ("cluster", CLUSTERS)):
        rows = rows_where(predictions.clips, lambda clip, h=head: single_label(h, clip) is not None)  # type: ignore[misc]
        truth, probabilities = _truth(head, predictions, rows), predictions.probabilities(head)[rows]
        guessed = probabilities.argmax(axis=1)
        _confusion_picture(folder / f"confusion-{head}.png", metrics.confusion(truth, guessed, len(labels)), labels)
        _reliability_picture(folder / f"reliability-{head}.png", guessed == truth, probabilities.max(axis=1))


def _confusion_picture(path: Path, counts: NDArray[np.int64], labels: Sequence[str]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(2 + 0.45 * len(labels), 1.6 + 0.45 * len(labels)))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="label")
    for row, column in np.argwhere(counts > 0):
        shade = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=shade, fontsize=8)
    _save(figure, path)


def _reliability_picture(path: Path, hit: NDArray[np.bool_], sure: np.ndarray) -> None:
    parts = np.array_split(np.argsort(sure, kind="stable"), 10)
    figure, axes = plt.subplots(figsize=(4, 4))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([sure[part].mean() for part in parts], [hit[part].mean() for part in parts], marker="o")
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    _save(figure, path)


def _save(figure: Picture, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _truth(head: str, predictions: Predictions, rows: Rows) -> Rows:
    labels = {"mood": MOODS, "cluster": CLUSTERS, "genre": GENRES}[head]
    return np.array([labels.index(single_label(head, predictions.clips[row]) or "") for row in rows])


def _groups(predictions: Predictions, rows: Rows) -> list[str]:
    return [predictions.clips[row].group for row in rows]


def _constant(truth: Rows) -> float:
    return float(np.bincount(truth).max() / len(truth))


def clip_counts(clips: Sequence[Clip]) -> str:
    names = sorted({clip.set for clip in clips})
    return ", ".join(f"{name} {sum(clip.set == name for clip in clips)}" for name in names)
