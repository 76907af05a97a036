"""Two recipes side by side: paired differences of every figure, over artists and, where there are several, seeds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.records import TaggerError
from trainer import evaluate
from trainer.checkpoint import fold_folder, load_model
from trainer.evaluate import Predictions
from trainer.figures import questions
from trainer.intervals import Pair, paired
from trainer.questions import SPLIT, Question
from trainer.samples import Progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """The runs of one recipe, which differ in their seed alone."""

    name: str
    runs: tuple[Predictions, ...]
    unlearned: frozenset[str] = frozenset()  # heads that the recipe gives no weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A figure of two sides."""

    name: str
    clips: str
    pair: Pair
    more_is_better: bool

    @property
    def verdict(self) -> str:
        """A difference is claimed only where its interval excludes none."""
        found = self.pair.difference
        if not (found.low > 0 or found.high < 0):
            return "no difference shown"
        return "better" if (found.value > 0) == self.more_is_better else "worse"


def sides(data: Path, runs: Sequence[Path], progress: Progress) -> list[Side]:
    """Runs in the order given, those of one recipe together, all over the clips that every one of them has heard.

    Raises TaggerError where fewer than two recipes are left, or a run has no trained fold.
    """
    recipes = {run: _recipe(run) for run in runs}
    together: dict[str, list[Path]] = {}
    for run, recipe in recipes.items():
        together.setdefault(json.dumps({**recipe, "seed": None}, sort_keys=True), []).append(run)
    if len(together) < 2:
        raise TaggerError("nothing to compare: give runs of two recipes; runs that differ in their seed are one")
    heard = {run: evaluate.predict(data, run, progress) for run in runs}
    common = set.intersection(*({clip.key for clip in one.clips} for one in heard.values()))
    keys = [clip.key for clip in heard[runs[0]].clips if clip.key in common]
    return [
        Side(
            name=own[0].name if len(own) == 1 else f"{own[0].name} ({len(own)} seeds)",
            runs=tuple(heard[run].of(keys) for run in own),
            unlearned=frozenset(head for head, weight in recipes[own[0]]["fit"]["weights"].items() if not weight),
        )
        for own in together.values()
    ]


def _recipe(run: Path) -> dict[str, Any]:
    trained = evaluate.trained_folds(run)
    if not trained:
        raise TaggerError(f"{run}: no trained fold: run `trainer train` first")
    return dict(load_model(fold_folder(run, trained[0]) / "model.safetensors").about["recipe"])


def differences(first: Side, second: Side, only: Sequence[str] = ()) -> list[Difference]:
    """Every figure that all runs have, or those of them named in `only`; none of a head that one has not learned."""
    unlearned = first.unlearned | second.unlearned
    before, after = ([_asked(one) for one in side.runs] for side in (first, second))
    return [
        Difference(
            name=question.name,
            clips=question.clips,
            pair=paired([one[key].measure for one in before], [one[key].measure for one in after], question.groups),
            more_is_better=question.more_is_better,
        )
        for key, question in before[0].items()
        if all(key in one for one in (*before, *after))
        and question.head not in unlearned
        and (not only or question.name in only)
    ]


def _asked(predictions: Predictions) -> dict[tuple[str, str], Question]:
    return {(question.name, question.clips): question for question in questions(predictions)}


def text(first: Side, second: Side) -> str:
    """The comparison as Markdown."""
    lines = [
        f"# {second.name} against {first.name}",
        "",
        f"{SPLIT}; paired over the artists of {len(first.runs[0].clips)} clips, 95 % intervals.",
        "",
        f"| figure | clips | n | {first.name} | {second.name} | difference | {second.name} is |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in differences(first, second):
        found = one.pair
        lines.append(
            f"| {one.name} | {one.clips} | {found.difference.clips} | {found.before:.3f} | {found.after:.3f} "
            f"| {found.difference.value:+.3f} [{found.difference.low:+.3f}, {found.difference.high:+.3f}] "
            f"| {one.verdict} |"
        )
    return "\n".join(lines) + "\n"
