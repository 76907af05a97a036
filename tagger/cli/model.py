"""`tagger model`."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagger import settings as settings_of_file
from tagger.cli import options, settings_edit
from tagger.cli.output import Console, complain, pairs, write_json, write_line, write_lines
from tagger.records import TaggerError
from tagger.settings import Settings

app = typer.Typer(
    help="What the tagger listens with: show it, or use another.", no_args_is_help=True, rich_markup_mode=None
)
_DEFAULT = "default"


@app.command()
def show(json: options.Json = False, catalog: options.Catalog = None, config: options.Config = None) -> None:
    """Print the bundle's labels, gates and model card.

    \b
    Example:
      tagger model show
    """
    settings = options.load(catalog, config)
    from tagger.analysis.header import default_bundle, read_header

    path = settings.bundle or default_bundle()
    header = read_header(path)
    if json:
        write_json({"path": str(path), **{key: value for key, value in asdict(header).items() if key != "config"}})
        return
    pairs({"bundle": header.id, "file": path, **header.labels})
    for head, gates in header.gates.items():
        if gates:
            text = ", ".join(f"{label} {gate:g}" for label, gate in gates.items())
            pairs({f"gates of {head}": text})
    write_line("")
    write_lines(header.card)


@app.command()
def use(
    bundle: Annotated[str, typer.Argument(metavar="PATH|default", help="A bundle, or the one that tagger brings.")],
    rewrite: Annotated[
        bool | None,
        typer.Option(
            "--rewrite/--no-rewrite",
            help="Whether files that another bundle wrote follow this one, from now on; as it is set, unless said.",
            show_default=False,
        ),
    ] = None,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Listen with another bundle from now on: it is looked at, then it stands in your settings file.

    All music is listened to again, bit by bit; queries answer from what was heard before until a track's new answer is
    there. A file is rewritten only where a label changes or passes its gate no more, or only now; with --no-rewrite
    no file is that was written before. A running daemon takes the bundle at once.

    \b
    Examples:
      tagger model use ~/bundles/my-bundle.safetensors
      tagger model use ~/bundles/my-bundle.safetensors --no-rewrite
      tagger model use default
    """
    from tagger.analysis.bundle import load
    from tagger.analysis.header import default_bundle

    path = None if bundle == _DEFAULT else _full(bundle)
    own = settings_of_file.own_config_path(config, os.environ)
    if own.exists():
        options.load(catalog, config)  # one that is wrong is said to be, and stays
    header = load(path or default_bundle()).header
    values: dict[str, str | bool] = {"bundle": str(path or "")}
    settings_edit.change(own, "model", values if rewrite is None else {**values, "rewrite": rewrite})
    settings = options.load(catalog, config)
    pairs(
        {
            "bundle": header.id,
            "settings": own,
            "rewrite": "where a label or a gate's verdict changes" if settings.rewrite else "no file that was written",
            "daemon": _taken(settings),
        }
    )


def _full(bundle: str) -> Path:
    path = settings_of_file.absolute(bundle, os.environ)
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise TaggerError(f"{path}: a settings file cannot name a path that is no UTF-8") from None
    return path


def _taken(settings: Settings) -> str:
    """What a running daemon says to it."""
    from tagger.daemon import service

    try:
        return "listens with it from now on" if service.use(settings, Console()) else "not running"
    except TaggerError as error:
        complain(str(error))
        return "goes on as before until it is started again"
