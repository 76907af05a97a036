"""The `tagger` command: its commands, its version, and the one place that turns errors into words and an exit code."""

import sys
from typing import Annotated, Any

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
from tagger.harmless import harmless
from tagger.records import TaggerError
from tagger.settings import SettingsError

_UsageError: Any = typer.BadParameter.__mro__[1]
"""What typer raises for words that it does not understand; of that family it exports this member alone."""

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
        sys.exit(app(standalone_mode=False))
    except (TaggerError, SettingsError) as error:
        complain(str(error))
        sys.exit(Exit.NOT_STARTED)
    except _UsageError as error:
        _explain_usage(error)
        sys.exit(Exit.NOT_STARTED)


def _explain_usage(error: Any) -> None:
    """The message repeats words of the command line, and a shell's `*` makes words of the names of files."""
    error.message = "\n".join(map(harmless, error.message.split("\n")))
    error.show()
