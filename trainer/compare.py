"""Two recipes side by side: paired differences of every figure, over artists and, where there are several, seeds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.records import TaggerError
from trainer import evaluate
from trainer.checkpoint import fold_folder, load_model
from trainer.evaluate import Predictions
from trainer.figures import SPLIT, Question, questions
from trainer.intervals import Pair, paired
from trainer.samples import Progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """The runs of one recipe, which differ in their seed alone."""

    name: str
    runs: tuple[Predictions, ...]


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

    Raises TaggerError where fewer than two recipes are left.
    """
    named: dict[str, list[Path]] = {}
    for run in runs:
        named.setdefault(_recipe_but_seed(run), []).append(run)
    if len(named) < 2:
        raise TaggerError("nothing to compare: give runs of two recipes; runs that differ in their seed are one")
    heard = {run: evaluate.predict(data, run, progress) for run in runs}
    common = set.intersection(*({clip.key for clip in one.clips} for one in heard.values()))
    keys = [clip.key for clip in heard[runs[0]].clips if clip.key in common]
    return [Side(name=_named(own), runs=tuple(heard[run].of(keys) for run in own)) for own in named.values()]


def _recipe_but_seed(run: Path) -> str:
    trained = evaluate.trained_folds(run)
    if not trained:
        raise TaggerError(f"{run}: no trained fold: run `trainer train` first")
    recipe = dict(load_model(fold_folder(run, trained[0]) / "model.safetensors").about["recipe"])
    recipe.pop("seed", None)
    return json.dumps(recipe, sort_keys=True)


def _named(runs: Sequence[Path]) -> str:
    return runs[0].name if len(runs) == 1 else f"{runs[0].name} ({len(runs)} seeds)"


def differences(first: Side, second: Side, only: Sequence[str] = ()) -> list[Difference]:
    """Every figure that all runs have (another head makes other figures), or those of them named in `only`."""
    before, after = ([_asked(one) for one in side.runs] for side in (first, second))
    return [
        Difference(
            name=question.name,
            clips=question.clips,
            pair=paired([one[key].measure for one in before], [one[key].measure for one in after], question.groups),
            more_is_better=question.more_is_better,
        )
        for key, question in before[0].items()
        if all(key in one for one in (*before, *after)) and (not only or question.name in only)
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
