"""Everything that is measured of a run, in one value: what `trainer evaluate` prints and the report shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagger.analysis.chunks import ChunkPlan
from trainer import figures, reliability, tables
from trainer.claims import verdicts
from trainer.document import Table, markdown_table
from trainer.evaluate import Predictions
from trainer.figures import LabelLines
from trainer.intervals import Figure
from trainer.manifest import left_out_text
from trainer.questions import Line, answer
from trainer.reliability import LabelReliability
from trainer.robustness import Robustness
from trainer.samples import Progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    name: str  # of the run
    about: Mapping[str, Any]  # of the network that ships: recipe, seed
    plan: ChunkPlan
    adds: Mapping[str, float]  # part of the network -> multiply-adds a second of audio
    parameters: Mapping[str, int]  # part -> weights
    megabytes: float  # of the bundle
    predictions: Predictions
    lines: Sequence[Line]
    by_label: Mapping[str, Sequence[LabelLines]]  # head -> rows
    within_genre: Sequence[Line]
    labels: Sequence[LabelReliability]
    robustness: Robustness | None


def lines(predictions: Predictions, progress: Progress) -> list[Line]:
    asked = figures.questions(predictions)
    found = []
    for number, question in enumerate(asked, start=1):
        found.append(answer(question))
        progress(number, len(asked), "figures and their intervals")
    return found


def counted(adds: float, size: float) -> list[Line]:
    """What is counted rather than estimated: multiply-adds a second, and the bundle's megabytes."""
    return [
        _exact("million multiply-adds a second of audio", "all branches, features aside", adds / 1e6),
        _exact("bundle, MB", "the file", size),
    ]


def _exact(name: str, clips: str, value: float) -> Line:
    return Line(name=name, clips=clips, figure=Figure(value=value, low=value, high=value, clips=0))


def by_label(predictions: Predictions) -> dict[str, list[LabelLines]]:
    return {head: figures.by_label(head, predictions) for head in ("mood", "genre")}


def labels(predictions: Predictions) -> list[LabelReliability]:
    return [row for head in ("mood", "genre") for row in reliability.by_label(head, predictions)]


def text(found: Findings) -> str:
    """The evaluation as Markdown: the claims first."""
    recipe = found.about["recipe"]["name"]
    blocks = [f"# Evaluation of {found.name}", f"Recipe {recipe}, seed {found.about['seed']}."]
    if left_out := left_out_text(found.predictions.left_out):
        blocks.append(left_out)
    shown: list[Table] = [
        tables.claims(verdicts(found.lines)),
        tables.reliability(found.labels),
        tables.figures([line for line in found.lines if line.figure.clips], "Every figure."),
        *(tables.by_label(head, rows) for head, rows in found.by_label.items()),
        tables.figures(found.within_genre, "Mood within the candidate genres of 4Q: the two are confounded."),
    ]
    if found.robustness:
        shown.append(tables.robustness(found.robustness.conditions, found.robustness.sample))
    return "\n\n".join([*blocks, *(f"{table.caption}\n\n{markdown_table(table)}" for table in shown)]) + "\n"


def save(folder: Path, found: Findings) -> str:
    """evaluation.md and figures.json in `folder`; the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    written = text(found)
    (folder / "evaluation.md").write_text(written, encoding="utf-8")
    values = {
        "figures": [asdict(line) for line in found.lines],
        "mood within genre": [asdict(line) for line in found.within_genre],
        "reliability": [{**asdict(row), "gate": row.gate} for row in found.labels],
    }
    (folder / "figures.json").write_text(json.dumps(values, indent=1))
    return written
