"""The `trainer` command: prepare, train, evaluate, compare, report, export."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tagger.harmless import harmless
from tagger.records import TaggerError

if TYPE_CHECKING:
    from trainer.recipe import Recipe

app = typer.Typer(
    help="Prepares data, trains, evaluates and exports the networks that tagger listens with.",
    epilog="Exit codes: 0 done; 1 crashed; 2 not started.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Data = Annotated[Path, typer.Option("--data", help="Folder with manifest.csv, clips and the teacher's weights.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of this run: cache, checkpoints, report.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="A recipe that comes with the trainer, or a TOML file.")]
EXTRA = ("librosa", "matplotlib", "reportlab", "scipy", "tensorboard")
DATA, RUN, RECIPE = Path("../shared/data"), Path("runs/default"), "default"


class Bar:
    """Progress of one long step after the other, on stderr; lines of text where nobody watches a terminal."""

    def __enter__(self) -> "Bar":
        words = TextColumn("{task.description}", markup=False)
        columns = (words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._progress.start()
        self._task: Any = None
        self._last = ""
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, done: int, total: int, text: str) -> None:
        text = harmless(text)
        step = text.split(",")[0]
        if step != self._last:
            self._task, self._last = self._progress.add_task(text, total=total), step
        self._progress.update(self._task, completed=done, total=total, description=text)


@app.command()
def prepare(data: Data = DATA, run: Run = RUN, recipe: RecipeName = RECIPE) -> None:
    """Decode the clips, mix them with the teacher listening, compute features. Resumes where it stopped.

    \b
    Example:
      trainer prepare --data ../shared/data --run runs/default
    """
    from trainer import crops, pool, samples
    from trainer.manifest import FOLDS, left_out_text

    settings = _recipe(recipe)
    with Bar() as bar:
        decoded = samples.prepare(data, run, bar)
        if decoded.left_out:
            typer.echo(left_out_text(decoded.left_out), err=True)
        for fold in range(FOLDS):
            pool.build(data, run, decoded, fold, settings, bar)
        crops.prepare(run, decoded, settings, bar)


@app.command()
def train(
    data: Data = DATA,
    run: Run = RUN,
    recipe: RecipeName = RECIPE,
    fold: Annotated[
        list[str] | None, typer.Option("--fold", help="0 to 4, or all for the refit; without any, all six in order.")
    ] = None,
) -> None:
    """Train on what `prepare` made: distil, then learn the labels. Resumes where it stopped.

    \b
    Examples:
      trainer train --fold 0
      trainer train
    """
    from trainer import crops, distill, fit, samples

    settings, folds = _recipe(recipe), _folds(fold)
    with Bar() as bar:
        decoded = samples.prepare(data, run, bar)
        features = crops.prepare(run, decoded, settings, bar)
        for left_out in folds:
            distill.train(run, decoded.clips, left_out, settings, bar)
            fit.train(data, run, decoded.clips, features, left_out, settings, bar)


@app.command()
def evaluate(data: Data = DATA, run: Run = RUN) -> None:
    """Hear every clip with the network that never met its artist; print the figures, what is demanded of them first.

    \b
    Example:
      trainer evaluate --run runs/default
    """
    from trainer import publish

    with Bar() as bar:
        text = publish.evaluate(data, run, bar)
    typer.echo(text)
    typer.echo(f"written: {run / 'report'}", err=True)


@app.command()
def robustness(data: Data = DATA, run: Run = RUN) -> None:
    """Hear a sample of the clips through codecs, at other loudness, rates and chunk counts; `evaluate` shows it.

    \b
    Example:
      trainer robustness --run runs/default
    """
    from trainer import publish

    with Bar() as bar:
        publish.measure_robustness(data, run, bar)
    typer.echo(f"written: {run / 'report' / 'robustness.json'}", err=True)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; those that differ in their seed alone are one.")],
    data: Data = DATA,
) -> None:
    """Say of each figure whether the other runs are better or worse than the first, paired over artists.

    \b
    Example:
      trainer compare runs/default runs/default-seed-2 runs/mine runs/mine-seed-2
    """
    from trainer import compare as comparing

    with Bar() as bar:
        first, *others = comparing.sides(data, runs, bar)
        texts = [comparing.text(first, other) for other in others]
    typer.echo("\n".join(texts))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")] = RUN,
    others: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs of other recipes for the table of ablations, beside RUN/ablations."),
    ] = None,
    data: Data = DATA,
) -> None:
    """Write RUN/report/report.md, report.html and report.pdf: a short paper on the run.

    \b
    Example:
      trainer report runs/default
    """
    from trainer import publish

    with Bar() as bar:
        folder = publish.write_report(data, run, others or [], bar)
    typer.echo(f"written: {folder / 'report.pdf'}")


@app.command()
def export(
    data: Data = DATA,
    run: Run = RUN,
    version: Annotated[str, typer.Option("--version", help="The version in the bundle's name.")] = "1",
    target: Annotated[
        Path, typer.Option("--target", help="The bundle file; the card is written beside it, as .md.")
    ] = Path("tagger-default.safetensors"),
) -> None:
    """Make a bundle of the refit, with its calibration and card. The same run gives the same bytes.

    \b
    Example:
      trainer export --run runs/default --target my-bundle.safetensors
    """
    from trainer import publish

    with Bar() as bar:
        header = publish.export(data, run, target, version, bar)
    typer.echo(f"{header.id}: {target}")


def _recipe(name: str) -> "Recipe":
    from trainer import recipe

    return recipe.load(Path(name) if name.endswith(".toml") else recipe.shipped(name))


def _folds(words: list[str] | None) -> list[int | None]:
    from trainer.manifest import FOLDS

    known = {**{str(fold): fold for fold in range(FOLDS)}, "all": None}
    if unknown := [word for word in words or () if word not in known]:
        raise TaggerError(f"--fold {unknown[0]}: allowed are {', '.join(known)}")
    return [known[word] for word in words or known]


def main() -> None:
    """Entry point of the `trainer` command."""
    try:
        app()
    except TaggerError as error:
        print(harmless(f"trainer: {error}"), file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in EXTRA:
            raise
        print(f"trainer: {error.name} is missing: pip install 'tagger[trainer]'", file=sys.stderr)
        sys.exit(2)
