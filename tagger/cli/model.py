"""`tagger model`."""

from dataclasses import asdict

import typer

from tagger.cli import options
from tagger.cli.output import pairs, write_json, write_line, write_lines

app = typer.Typer(help="Show what the tagger listens with.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Keeps `show` a subcommand while it is the only one."""


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
