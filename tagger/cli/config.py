"""`tagger config`."""

import json as json_text
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tagger import settings as settings_of_file
from tagger.cli import options
from tagger.cli.output import write_json, write_line
from tagger.records import TaggerError

app = typer.Typer(
    help="Show the settings, or write a file to change them in.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def show(json: options.Json = False, catalog: options.Catalog = None, config: options.Config = None) -> None:
    """Print the settings that hold, as a settings file would say them.

    \b
    Example:
      tagger config show
    """
    settings = options.load(catalog, config)
    tables = settings_of_file.tables(settings)
    if json:
        write_json(tables)
        return
    source = settings_of_file.config_path(config, os.environ)
    write_line(f"# the shipped defaults, and {source}" if source else "# the shipped defaults; no file of your own")
    for name, values in tables.items():
        _write_table(name, values)


@app.command()
def init(
    config: options.Config = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a settings file with every key explained and commented out.

    \b
    Example:
      tagger config init
    """
    path = settings_of_file.own_config_path(config, os.environ)
    if path.exists() and not force:
        raise TaggerError(f"{path} is there already; --force replaces it")
    text = settings_of_file.shipped("config.toml").read_text(encoding="utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"(?m)^(?=[\w\"])", "# ", text), encoding="utf-8")
    except OSError as error:
        raise TaggerError(f"{path} cannot be written: {error.strerror}") from None
    write_line(str(path))


def _write_table(name: str, values: Mapping[str, Any]) -> None:
    write_line("")
    write_line(f"[{name}]")
    for key, value in values.items():
        if not isinstance(value, dict):
            write_line(f"{key} = {_toml(value)}")
    for key, value in values.items():
        if isinstance(value, dict):
            _write_table(f"{name}.{key}", {_toml_key(label): text for label, text in value.items()})


def _toml(value: object) -> str:
    """Texts, numbers, truths and lists of texts read the same in JSON and TOML, but for escapes past U+FFFF."""
    text = json_text.dumps(value, ensure_ascii=False)
    return "".join(mark if mark.isprintable() else _escape(mark) for mark in text)


def _escape(mark: str) -> str:
    return f"\\u{ord(mark):04x}" if ord(mark) <= 0xFFFF else f"\\U{ord(mark):08x}"


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)
