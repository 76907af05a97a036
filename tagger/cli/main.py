"""The `tagger` command: its commands, its version, and the one place that turns errors into words and an exit code."""

import sys
from typing import Annotated

import typer

from tagger.cli import config, history, model
from tagger.cli.exits import Exit
from tagger.cli.explain import explain
from tagger.cli.output import complain, write_line
from tagger.cli.query import query
from tagger.cli.scan import scan
from tagger.cli.serve import serve
from tagger.cli.status import status
from tagger.cli.undo import undo
from tagger.cli.write import write
from tagger.records import TaggerError
from tagger.settings import SettingsError

app = typer.Typer(
    help="Listens to a music library and writes genre and mood into the files' own tags.",
    epilog="Exit codes: 0 done; 1 crashed; 2 not started, nothing touched; 3 done, but some files failed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (serve, scan, query, explain, status, undo, write):
    app.command()(command)
app.add_typer(config.app, name="config")
app.add_typer(history.app, name="history")
app.add_typer(model.app, name="model")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        write_line(f"tagger {version('tagger')}")
        raise typer.Exit


@app.callback()
def tagger(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Listens to a music library and writes genre and mood into the files' own tags."""


def main() -> None:
    """Entry point of the `tagger` command."""
    try:
        app()
    except (TaggerError, SettingsError) as error:
        complain(str(error))
        sys.exit(Exit.NOT_STARTED)
