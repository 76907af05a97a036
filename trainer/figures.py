"""Every figure that is asked of predictions: what it is, over which clips, and how it is measured.

Ishkur's clips are in none of them but "music or not": their sound is too poor to measure by.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tagger.vocabulary import GENRES
from trainer import metrics, music
from trainer.evaluate import SOFTMAX, Predictions, rows_where, single_label
from trainer.intervals import Measure, Rows
from trainer.questions import Line, Question, answer

_FEW = 20
"""With fewer clips than this, mood within a genre says nothing."""


def questions(predictions: Predictions) -> list[Question]:
    """Whatever the predictions' clips have labels for."""
    return [
        *_choice("mood", "mood", "4q", predictions),
        *_choice("cluster", "mood cluster", "mirex", predictions),
        *_choice("genre", "genre", "single label", predictions),
        *_genre_of_sets(predictions),
        *_ratings(predictions),
        *_music(predictions),
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """Answers of a softmax head over the clips that have a single label for it."""

    rows: Rows  # of the predictions
    truth: Rows
    probabilities: metrics.Floats  # calibrated, cross-fitted
    groups: tuple[str, ...]

    @property
    def guessed(self) -> Rows:
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> metrics.Floats:
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def hit(self) -> metrics.Flags:
        return np.asarray(self.guessed == self.truth)


def choice(head: str, predictions: Predictions) -> Choice:
    labels = [single_label(head, clip) for clip in predictions.clips]
    rows = np.array([row for row, label in enumerate(labels) if label is not None], dtype=np.int64)
    return Choice(
        rows=rows,
        truth=np.array([SOFTMAX[head].index(label) for label in labels if label is not None], dtype=np.int64),
        probabilities=predictions.probabilities(head)[rows],
        groups=predictions.groups(rows),
    )


def _choice(head: str, name: str, clips: str, predictions: Predictions) -> Iterator[Question]:
    of = choice(head, predictions)
    if not len(of.rows):
        return
    truth, guessed, probabilities = of.truth, of.guessed, of.probabilities
    hit, sure = of.hit, of.confidence
    constant = float(np.bincount(truth).max() / len(truth))
    scores: dict[str, Measure] = {
        "accuracy": lambda r: metrics.accuracy(truth[r], guessed[r]),
        "macro-F1": lambda r: metrics.macro_f1(truth[r], guessed[r]),
        "among the three surest": lambda r: metrics.top_k(truth[r], probabilities[r], 3),
        "ROC-AUC, mean over labels": lambda r: metrics.macro_roc_auc(truth[r], probabilities[r]),
        "PR-AUC, mean over labels": lambda r: metrics.macro_average_precision(truth[r], probabilities[r]),
        "accuracy gained by silence on the least certain third": lambda r: metrics.gain_by_silence(hit[r], sure[r]),
    }
    losses: dict[str, Measure] = {
        "log-loss": lambda r: metrics.negative_log_likelihood(truth[r], probabilities[r]),
        "Brier score": lambda r: metrics.brier(truth[r], probabilities[r]),
        "calibration error, ten equal-mass bins": lambda r: metrics.calibration_error(hit[r], sure[r]),
        "area under the risk-coverage curve": lambda r: metrics.mean_risk(hit[r], sure[r]),
    }
    for words, measure in {**scores, **losses}.items():
        yield Question(
            head=head,
            name=f"{name} {words}",
            clips=clips,
            groups=of.groups,
            measure=measure,
            more_is_better=words in scores,
            constant=constant if words == "accuracy" else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLines:
    """How well one label is recognised, over the clips with a single label, `clips` of which have it."""

    label: str
    clips: int
    precision: Line
    recall: Line
    f1: Line


def by_label(head: str, predictions: Predictions) -> list[LabelLines]:
    of, labels = choice(head, predictions), SOFTMAX[head]
    guessed, counts = of.guessed, np.bincount(of.truth, minlength=len(labels))

    def line(column: int, name: str, label: int) -> Line:
        def measure(rows: Rows) -> float:
            return float(metrics.by_class(of.truth[rows], guessed[rows], len(labels))[column][label])

        words, clips = f"{labels[label]} {name}", f"{head}, single label"
        return answer(Question(head=head, name=words, clips=clips, groups=of.groups, measure=measure))

    return [
        LabelLines(
            label=label,
            clips=int(counts[number]),
            precision=line(0, "precision", number),
            recall=line(1, "recall", number),
            f1=line(2, "F1", number),
        )
        for number, label in enumerate(labels)
    ]


def mood_within_genre(predictions: Predictions) -> list[Line]:
    """Mood accuracy among the 4Q clips that a genre is a candidate of: the two are confounded there."""
    of = choice("mood", predictions)
    found = []
    for genre in GENRES:
        part = np.flatnonzero([genre in predictions.clips[row].genres for row in of.rows])
        if len(part) >= _FEW:
            truth, hit = of.truth[part], of.hit[part]
            question = Question(
                head="mood",
                name="mood accuracy",
                clips=genre,
                groups=tuple(of.groups[row] for row in part),
                measure=_share(hit),
                constant=float(np.bincount(truth).max() / len(truth)),
            )
            found.append(answer(question))
    return found


def _share(hit: metrics.Flags) -> Measure:
    return lambda rows: float(hit[rows].mean())


# --- genre, set by set -----------------------------------------------------------------------------------------------


def _genre_of_sets(predictions: Predictions) -> list[Question]:
    three = ("pop", "rock", "metal")
    found = [
        _candidates("genre in set", "4q", predictions),
        _classes("pop, rock, metal recognised, mean of the three", None, three, predictions),
        _candidates("genre accuracy, pop and rock as one", "emotify", predictions, as_one=("pop", "rock")),
        _classes("genre recognised, mean over classes", "gtzan", GENRES, predictions),
        _classes("genre accuracy", "musifeast", None, predictions),
    ]
    return [question for question in found if question is not None]


def _candidates(name: str, data: str, predictions: Predictions, as_one: Sequence[str] = ()) -> Question | None:
    """Whether the surest of all labels is a candidate; where one of `as_one` is, all of them are."""
    rows = rows_where(predictions.clips, lambda clip: clip.set == data and bool(clip.genres))
    if not len(rows):
        return None
    allowed = [set(predictions.clips[row].genres) for row in rows]
    allowed = [{*genres, *as_one} if genres & set(as_one) else genres for genres in allowed]
    candidates = np.array([[genre in genres for genre in GENRES] for genres in allowed])
    guessed = predictions.outputs["genre"][rows].argmax(axis=1)
    return Question(
        head="genre",
        name=name,
        clips=f"{data}, clips that have a set",
        groups=predictions.groups(rows),
        measure=lambda r: metrics.in_set(candidates[r], guessed[r]),
        constant=float(candidates.mean(axis=0).max()),
    )


def _classes(name: str, data: str | None, classes: Sequence[str] | None, predictions: Predictions) -> Question | None:
    """Over the single-label clips of a set (None: of all), mean over those of `classes` that occur, or over clips."""
    of = choice("genre", predictions)
    wanted = [GENRES.index(genre) for genre in classes or GENRES]
    sets = np.array([predictions.clips[row].set for row in of.rows])
    part = np.flatnonzero(np.isin(of.truth, wanted) & ((sets == data) if data else True))
    if not len(part):
        return None
    truth, guessed = of.truth[part], of.guessed[part]
    occurring = np.unique(truth).tolist()

    def measure(rows: Rows) -> float:
        if classes is None:
            return metrics.accuracy(truth[rows], guessed[rows])
        return metrics.class_mean(truth[rows], guessed[rows], occurring)

    where = f"{data}, single label" if data else "single label"
    groups = tuple(of.groups[row] for row in part)
    return Question(head="genre", name=name, clips=where, groups=groups, measure=measure)


# --- music or not ----------------------------------------------------------------------------------------------------


def _music(predictions: Predictions) -> list[Question]:
    """Nothing where the network has no such head, or there is no speech to tell it by."""
    if music.HEAD not in predictions.outputs or predictions.is_music().all():
        return []
    called, is_music = predictions.called_music(), predictions.is_music()
    speech, songs = np.flatnonzero(~is_music), np.flatnonzero(is_music)
    return [
        Question(
            head=music.HEAD,
            name="speech called music",
            clips="speech, speaker held out",
            groups=predictions.groups(speech),
            measure=_share(called[speech]),
            more_is_better=False,
        ),
        Question(
            head=music.HEAD,
            name="music called not music",
            clips="all sets, out of fold",
            groups=predictions.groups(songs),
            measure=_share(~called[songs]),
            more_is_better=False,
        ),
    ]


# --- valence, arousal, dominance -------------------------------------------------------------------------------------

SCORES: dict[str, Callable[[metrics.Floats, metrics.Floats], float]] = {
    "Pearson r": metrics.pearson,
    "Spearman rho": metrics.spearman,
    "concordance": metrics.concordance,
    "R²": metrics.explained,
}
ERRORS: dict[str, Callable[[metrics.Floats, metrics.Floats], float]] = {
    "RMSE": metrics.root_mean_square,
    "MAE": metrics.mean_absolute,
}
RATINGS = (
    ("rated valence", "rated", 0, ("musifeast", "nhs")),
    ("rated arousal", "rated", 1, ("musifeast", "nhs")),
    ("valence from words", "words", 0, ("4q", "mirex")),
    ("arousal from words", "words", 1, ("4q", "mirex")),
    ("dominance from words", "words", 2, ("4q", "mirex")),
)
"""Name, head, column and the sets that have it: ratings of listeners, and norms of words, are different things."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Numbers:
    """Truth and guess of one number, both (clips,) in [0, 1]."""

    truth: metrics.Floats
    guessed: metrics.Floats
    groups: tuple[str, ...]


def numbers(head: str, column: int, data: str, predictions: Predictions) -> Numbers:
    known = rows_where(predictions.clips, lambda clip: clip.set == data and getattr(clip, head) is not None)
    return Numbers(
        truth=np.array([getattr(predictions.clips[row], head)[column] for row in known]),
        guessed=predictions.outputs[head][known, column],
        groups=predictions.groups(known),
    )


def _ratings(predictions: Predictions) -> Iterator[Question]:
    for name, head, column, sets in RATINGS:
        for data in sets:
            of = numbers(head, column, data, predictions)
            for words, score in {**SCORES, **ERRORS}.items() if len(of.truth) else ():
                yield Question(
                    head=head,
                    name=f"{name}, {words}",
                    clips=data,
                    groups=of.groups,
                    measure=_scored(score, of),
                    more_is_better=words in SCORES,
                )


def _scored(score: Callable[[metrics.Floats, metrics.Floats], float], of: Numbers) -> Measure:
    return lambda rows: score(of.truth[rows], of.guessed[rows])
