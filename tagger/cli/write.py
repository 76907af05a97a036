"""`tagger write`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.exits import Exit
from tagger.cli.output import Console, pairs, write_json
from tagger.records import TaggerError


def write(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files or folders; without any, everything pending.", readable=False),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Write what you undid or emptied, too: lifts the vetoes of PATH.")
    ] = False,
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Write the tags that are known and not yet in the files. A running daemon does it, if there is one.

    \b
    Examples:
      tagger write
      tagger write --again ~/Music/album/song.flac
    """
    if again and not paths:
        raise TaggerError("--again needs a PATH: it lifts the vetoes of the tracks that are named")
    settings = options.load(catalog, config)
    from tagger.daemon import service

    console = Console()
    counts = asdict(service.write(settings, options.path_bytes(paths), console, again=again))
    console.close()
    if json:
        write_json(counts, one_line=True)
    else:
        pairs(counts)
    if counts["failed"]:
        raise typer.Exit(Exit.SOME_FAILED)
