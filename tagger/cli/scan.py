"""`tagger scan`."""

from dataclasses import asdict
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.exits import Exit
from tagger.cli.output import Console, pairs, write_json


def scan(
    folders: options.Folders = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written; touch no file.")] = False,
    yes: options.Yes = False,
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Go through the folders once: listen to what is new, write its tags, and exit.

    With --json the last line of stdout is one object with the numbers of files:
    seen, unchanged, analyzed, written, skipped, failed, missing.

    \b
    Examples:
      tagger scan --dry-run ~/Music
      tagger scan ~/Music --yes --json
    """
    settings = options.load(catalog, config)
    roots = options.existing_folders(folders, settings)
    from tagger.daemon import service

    console = Console(answer=dry_run and not json)
    counts = asdict(service.scan(settings, roots, console, dry_run=dry_run, yes=yes))
    console.close()
    if json:
        write_json(counts, one_line=True)
    else:
        pairs(counts)
    if counts["failed"]:
        raise typer.Exit(Exit.SOME_FAILED)
