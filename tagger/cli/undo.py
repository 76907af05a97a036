"""`tagger undo`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.exits import Exit
from tagger.cli.output import Console, pairs, write_json
from tagger.cli.times import moment
from tagger.records import Selection, TaggerError


def undo(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files, or folders with files.", readable=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every file that was ever written.")] = False,
    run: Annotated[
        int | None, typer.Option(metavar="ID", help="Only what this run wrote; tagger history lists the runs.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what was written since: 2026-01-31, 2026-01-31T20:00, 2d.")
    ] = None,
    bundle: Annotated[str | None, typer.Option(metavar="ID", help="Only what this bundle wrote.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would come back, and what not, and why; touch nothing.")
    ] = False,
    yes: options.Yes = False,
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Put files back as they were before tagger wrote to them, byte for byte where nobody else touched them.

    What was undone stays undone: the fields are not written again until `tagger write --again PATH`.
    A running daemon does it, if there is one.

    Paths, --run, --since and --bundle narrow each other. Where only the latest writes to a file are chosen, it goes
    back to the byte to what it was before them. A write beneath one that is not chosen is taken back field by field,
    where the field still holds what it wrote.

    \b
    Examples:
      tagger undo ~/Music/album/song.flac
      tagger undo --run 12 --dry-run
      tagger undo --since 2d ~/Music/album
      tagger undo --all
    """
    selection = Selection(run=run, since=moment(since) if since else None, bundle_id=bundle)
    narrowed = bool(paths) or selection != Selection()
    if everything == narrowed:
        raise TaggerError(
            "either --all or paths, --run, --since, --bundle, not both"
            if everything
            else "name the files to undo, or --run, --since, --bundle, or --all"
        )
    settings = options.load(catalog, config)
    console = Console(answer=dry_run and not json)
    if not yes and not dry_run and not console.confirm(f"Undo {_what(selection)} {_where(paths)}?"):
        raise TaggerError("nothing was undone")
    from tagger.daemon import service

    where = options.path_bytes(paths) if paths else None
    report = asdict(service.undo(settings, where, selection, console, dry_run=dry_run))
    console.close()
    if json:
        write_json(report, one_line=True)
    else:
        pairs(report)
    if report.get("failed"):
        raise typer.Exit(Exit.SOME_FAILED)


def _what(selection: Selection) -> str:
    words = [
        f"in run {selection.run}" if selection.run is not None else "",
        f"since {selection.since}" if selection.since else "",
        f"by {selection.bundle_id}" if selection.bundle_id else "",
    ]
    return " ".join(["what tagger wrote", *filter(None, words)])


def _where(paths: Sequence[Path] | None) -> str:
    return "in " + (", ".join(map(str, paths)) if paths else "every file")
