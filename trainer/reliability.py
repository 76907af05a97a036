"""Whether a confidence means what it says, label by label, and the gates that follow from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.evaluate import SOFTMAX, Predictions
from trainer.figures import Choice, choice
from trainer.intervals import Figure, Rows, with_interval
from trainer.metrics import equal_mass

FEW_CLIPS = 30
"""A label with fewer single-label clips than this gets FEW_GATE for the standard field."""
OFF_BY = 0.1
"""So does a label whose confidence is off by more than this, with an interval that excludes it."""
FEW_GATE = 0.7
GATE = 0.5
"""Everyone else's: the labels that it lets through should be right at least half the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReliability:
    """How far a label can be believed where it is the answer, over the clips with a single label."""

    head: str
    label: str
    clips: int  # whose label it is
    answered: int  # clips it was the answer for
    off_by: Figure | None  # mean confidence less the share that is right, where it was answered
    written: int  # answered with a confidence of GATE or more
    right: Figure | None  # share of the written that is right

    @property
    def off(self) -> bool:
        return self.off_by is not None and (self.off_by.low > OFF_BY or self.off_by.high < -OFF_BY)

    @property
    def gate(self) -> float:
        return FEW_GATE if self.clips < FEW_CLIPS or self.off else GATE


def by_label(head: str, predictions: Predictions) -> list[LabelReliability]:
    of = choice(head, predictions)
    return [_label(head, number, of) for number in range(len(SOFTMAX[head]))]


def _label(head: str, number: int, of: Choice) -> LabelReliability:
    answered = np.flatnonzero(of.guessed == number)
    written = answered[of.confidence[answered] >= GATE]
    return LabelReliability(
        head=head,
        label=SOFTMAX[head][number],
        clips=int((of.truth == number).sum()),
        answered=len(answered),
        off_by=_over(of, answered, of.confidence - of.hit),
        written=len(written),
        right=_over(of, written, of.hit.astype(np.float64)),
    )


def _over(of: Choice, rows: Rows, values: np.ndarray) -> Figure | None:
    if not len(rows):
        return None
    part = values[rows]
    return with_interval(lambda r: float(part[r].mean()), [of.groups[row] for row in rows])


def gates(predictions: Predictions) -> dict[str, dict[str, float]]:
    """The gates that differ from everyone's, as a bundle stores them: head -> label -> least confidence."""
    found = {head: by_label(head, predictions) for head in ("genre", "mood")}
    return {head: {one.label: one.gate for one in rows if one.gate != GATE} for head, rows in found.items()}


def missed(rows: Sequence[LabelReliability]) -> list[str]:
    """Labels with enough clips that are right less than half the time where GATE lets them through."""
    return [row.label for row in rows if row.clips >= FEW_CLIPS and row.right and row.right.value < GATE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """A tenth of the answers: how sure they are on average, and how many are right."""

    confidence: float
    right: Figure


def bins(of: Choice) -> list[Bin]:
    """Ten bins of equal mass, least certain first."""
    hit = of.hit.astype(np.float64)
    found = []
    for part in equal_mass(of.confidence):
        right = _over(of, part, hit)
        assert right is not None
        found.append(Bin(confidence=float(of.confidence[part].mean()), right=right))
    return found
