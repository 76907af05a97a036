"""What can be asked of a run. A question measures rows: it gives a value, an interval, and a difference of two runs."""

from dataclasses import dataclass

from trainer.intervals import Figure, Measure, with_interval

SPLIT = "Five artist-disjoint folds, out of fold"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """`measure` takes positions in a list of clips whose artists are `groups`; `head` is who answers it."""

    head: str
    name: str
    clips: str
    groups: tuple[str, ...]
    measure: Measure
    more_is_better: bool = True
    constant: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A question's answer: what it is, over which clips, what a constant answer would get, over how many seeds."""

    name: str
    clips: str
    figure: Figure
    constant: float | None = None
    seeds: int = 1


def answer(question: Question) -> Line:
    figure = with_interval(question.measure, question.groups)
    return Line(name=question.name, clips=question.clips, figure=figure, constant=question.constant)
