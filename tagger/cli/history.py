"""`tagger history`. Starts fast: nothing here imports torch, av, numpy, alembic or mutagen."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tagger.cli import options
from tagger.cli.output import Console, brief, pairs, size_text, table, write_json, write_line
from tagger.cli.times import moment
from tagger.records import TaggerError

if TYPE_CHECKING:
    from tagger.catalog.history import Entry, Run


class ShowByDefault(TyperGroup):
    """`tagger history PATH` is `tagger history show PATH`."""

    default = "show"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args[:1] == ["--help"] or (args and args[0] in self.commands)
        return super().parse_args(ctx, args if named else [self.default, *args])


app = typer.Typer(cls=ShowByDefault, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Say what was written, when, and in which run; `show` is what it does when nothing is named.

    \b
    Examples:
      tagger history
      tagger history ~/Music/album
    """


@app.command()
def show(
    path: Annotated[
        Path | None, typer.Argument(help="A file or a folder; without it, everything.", readable=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="COUNT", help="So many runs, and so many writes, at most.")] = 50,
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """List runs and writes, newest first: when, by which bundle, each field before and after, undone or not.

    A run is one scan, or one stretch of the daemon's writing. Times are in UTC.

    \b
    Examples:
      tagger history show ~/Music/album/song.flac
      tagger history show --limit 5 --json
    """
    settings = options.load(catalog, config)
    from tagger.catalog import engine, history

    wanted = os.fsencode(options.absolute(path)) if path else None
    with engine.open_history(settings.catalog).connect() as connection:
        runs = history.runs(connection, wanted, limit + 1)
        entries = history.entries(connection, wanted, limit + 1)
    if json:
        write_json({"runs": [asdict(run) for run in runs[:limit]], "writes": [_facts(one) for one in entries[:limit]]})
    elif entries:
        _tell(runs, entries, limit)
    else:
        write_line("nothing was written" + (" there" if path else ""))


@app.command()
def prune(
    older_than: Annotated[str, typer.Option(metavar="AGE", help="90d, 12w, or a date such as 2026-01-31.")],
    yes: options.Yes = False,
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Remove the undo records of old writes; they can then be undone field by field only.

    What was written and what you undid stays known. A running daemon does it, if there is one.

    \b
    Example:
      tagger history prune --older-than 90d
    """
    settings = options.load(catalog, config)
    before = moment(older_than)
    from tagger.catalog import engine, history

    with engine.open_history(settings.catalog).connect() as connection:
        cost = history.cost(connection, before)
    what = f"the undo records of {cost.records} writes from before {before} ({size_text(cost.undo_bytes)})"
    console = Console()
    if not yes and not console.confirm(f"Remove {what}? They can no longer be undone to the byte."):
        raise TaggerError("nothing was removed")
    from tagger.daemon import service

    report = asdict(service.prune(settings, before, console))
    if json:
        write_json(report, one_line=True)
    else:
        pairs(report)


def _facts(entry: "Entry") -> dict[str, Any]:
    return {**asdict(entry), "path": os.fsdecode(entry.path), "kind": str(entry.kind)}


def _tell(runs: "Sequence[Run]", entries: "Sequence[Entry]", limit: int) -> None:
    if runs:
        columns = ("run", "began", "ended", "files", "writes", "undone", "bundle")
        table(columns, [_cells(run) for run in runs[:limit]])
        write_line("")
    for entry in entries[:limit]:
        write_line(f"{entry.at}  {os.fsdecode(entry.path)}")
        write_line("  " + ", ".join(_words(entry)))
        for name, values in entry.written.items():
            before, after = (brief("; ".join(value)) or "-" for value in (entry.replaced.get(name, ()), values))
            write_line(f"  {name}: {before} -> {after}")
    if len(runs) > limit or len(entries) > limit:
        write_line(f"… older ones are left out; --limit COUNT shows more than {limit}")


def _cells(run: "Run") -> list[str]:
    numbers = (run.files, run.writes, run.undone)
    return [str(run.run), run.began, run.ended, *map(str, numbers), ", ".join(run.bundle_ids)]


def _words(entry: "Entry") -> list[str]:
    words = [str(entry.kind)]
    words += [f"run {entry.run}"] if entry.run is not None else []
    words += [f"bundle {entry.bundle_id}"] if entry.bundle_id else []
    return words + (["undone"] if entry.undone else [])
