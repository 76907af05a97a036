"""`tagger undo`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.exits import Exit
from tagger.cli.output import Console, pairs, write_json
from tagger.records import TaggerError


def undo(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files, or folders with files.", readable=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every file that was ever written.")] = False,
    yes: options.Yes = False,
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Put files back as they were before tagger wrote to them, byte for byte where nobody else touched them.

    What was undone stays undone: the fields are not written again until `tagger write --again PATH`.
    A running daemon does it, if there is one.

    \b
    Examples:
      tagger undo ~/Music/album/song.flac
      tagger undo --all
    """
    if everything == bool(paths):
        raise TaggerError("name the files to undo, or --all" if not paths else "either paths or --all, not both")
    settings = options.load(catalog, config)
    console = Console()
    what = "every file that tagger wrote" if everything else ", ".join(map(str, paths or ()))
    if not yes and not console.confirm(f"Undo tagger's changes in {what}?"):
        raise TaggerError("nothing was undone")
    from tagger.daemon import service

    report = asdict(service.undo(settings, None if everything else options.path_bytes(paths), console))
    console.close()
    if json:
        write_json(report, one_line=True)
    else:
        pairs(report)
    if report.get("failed"):
        raise typer.Exit(Exit.SOME_FAILED)
