"""What a benchmark gives: measured beside its yardstick in the same run, with the bar it should stay under."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    what: str
    ours: str
    yardstick: str
    ratio: float | None = None
    bar: str = ""

    def row(self) -> tuple[str, ...]:
        return (self.what, self.ours, self.yardstick, "" if self.ratio is None else f"{self.ratio:.2f}", self.bar)


HEADINGS = ("figure", "tagger", "yardstick", "ratio", "bar")


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(figure.row() for figure in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
