"""What a bundle that ships must reach, and what it aims at: each row is a figure with its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trainer.intervals import Figure
from trainer.questions import Line

DIGITS = 4
"""Decimals that a figure is judged with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A figure by its name and clips; `at_most` where less is better. `aim` None: nothing beyond the must."""

    name: str
    clips: str
    must: float
    aim: float | None
    at_most: bool = False


def _least(name: str, clips: str, must: float, aim: float) -> Claim:
    return Claim(name=name, clips=clips, must=must, aim=aim)


def _most(name: str, clips: str, must: float, aim: float) -> Claim:
    return Claim(name=name, clips=clips, must=must, aim=aim, at_most=True)


CLAIMS = (
    _least("mood accuracy", "4q", 0.74, 0.79),
    _least("mood cluster accuracy", "mirex", 0.50, 0.55),
    _least("genre in set", "4q, clips that have a set", 0.67, 0.80),
    _least("pop, rock, metal recognised, mean of the three", "single label", 0.52, 0.75),
    _least("genre accuracy, pop and rock as one", "emotify, clips that have a set", 0.83, 0.93),
    _least("genre recognised, mean over classes", "gtzan, single label", 0.66, 0.80),
    _least("genre accuracy", "musifeast, single label", 0.43, 0.58),
    _least("rated valence, Pearson r", "musifeast", 0.58, 0.70),
    _least("rated arousal, Pearson r", "musifeast", 0.85, 0.92),
    _least("valence from words, Pearson r", "4q", 0.62, 0.72),
    _least("arousal from words, Pearson r", "4q", 0.70, 0.80),
    _least("dominance from words, Pearson r", "4q", 0.56, 0.65),
    _most("mood calibration error, ten equal-mass bins", "4q", 0.06, 0.045),
    _most("genre calibration error, ten equal-mass bins", "single label", 0.06, 0.045),
    _least("mood accuracy gained by silence on the least certain third", "4q", 0.08, 0.12),
    _most("speech called music", "speech, speaker held out", 0.01, 0.0),
    _most("music called not music", "all sets, out of fold", 0.002, 0.0005),
    _most("million multiply-adds a second of audio", "all branches, features aside", 12.0, 8.0),
    _most("bundle, MB", "the file", 10.0, 4.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A claim and its figure; None where it was not measured."""

    claim: Claim
    figure: Figure | None

    def met(self, limit: float | None) -> str:
        """One of yes; yes, surely (the whole interval is on the right side); no; not measured. "" without a limit."""
        if limit is None:
            return ""
        if self.figure is None:
            return "not measured"
        sign = -1 if self.claim.at_most else 1
        if sign * round(self.figure.value, DIGITS) < sign * limit:
            return "no"
        worst = self.figure.high if self.claim.at_most else self.figure.low
        return "yes, surely" if self.figure.clips and sign * worst >= sign * limit else "yes"


def verdicts(lines: Iterable[Line], further: Iterable[Claim] = ()) -> list[Verdict]:
    """Every claim, in order, beside the line of its name and clips."""
    found: Mapping[tuple[str, str], Figure] = {(line.name, line.clips): line.figure for line in lines}
    return [Verdict(claim=claim, figure=found.get((claim.name, claim.clips))) for claim in (*CLAIMS, *further)]
