"""The options that several commands share, and the way from them to settings and paths."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tagger import settings as settings_of_file
from tagger.records import TaggerError
from tagger.settings import Settings

Catalog = Annotated[
    Path | None,
    typer.Option(
        "--catalog", metavar="FILE", help="The catalog file; journal and lock lie beside it [TAGGER_CATALOG]."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Your settings file [TAGGER_CONFIG]."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FOLDER]...", help="Folders with music; without any, the configured roots.", show_default=False
    ),
]


def load(catalog: Path | None, config: Path | None) -> Settings:
    """Settings of file and environment, with the command line's catalog before both."""
    settings = settings_of_file.load(config, os.environ)
    return replace(settings, catalog=absolute(catalog)) if catalog else settings


def existing_folders(folders: Sequence[Path] | None, settings: Settings) -> tuple[Path, ...]:
    """The named folders, absolute; empty where the configured roots are meant.

    Raises:
        TaggerError: a named folder is none, or neither folder nor root is known.
    """
    if not folders and not settings.roots:
        raise TaggerError("no folder: name one, or set roots under [library] in the settings (tagger config init)")
    for folder in folders or ():
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "does not exist"
            raise TaggerError(f"{folder}: {what}")
    return tuple(absolute(folder) for folder in folders or ())


def absolute(path: Path) -> Path:
    """Without resolving links: a root that is a link is known by the name the user gave it."""
    return Path(os.path.abspath(path))


def path_bytes(paths: Sequence[Path] | None) -> tuple[bytes, ...]:
    return tuple(os.fsencode(absolute(path)) for path in paths or ())
