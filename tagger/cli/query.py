"""`tagger query`. Starts fast: nothing here imports torch, av, numpy, alembic or mutagen."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.output import complain, table, write_bytes, write_json
from tagger.records import TaggerError
from tagger.vocabulary import EMOTION_WORDS, GENRES, MOODS

if TYPE_CHECKING:
    from tagger.catalog.views import TrackRow


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PATHS = "paths"
    M3U8 = "m3u8"


def query(
    mood: Annotated[str | None, typer.Option(metavar="MOOD", help=f"One of {', '.join(MOODS)}.")] = None,
    genre: Annotated[
        str | None,
        typer.Option(metavar="GENRE", help=f"One of {', '.join(GENRES)}; or a kind of music below one, such as bebop."),
    ] = None,
    emotion: Annotated[str | None, typer.Option(metavar="WORD", help=f"One of {', '.join(EMOTION_WORDS)}.")] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, metavar="NUMBER", help="Least confidence of each predicted field asked for.")
    ] = 0.0,
    all_audio: Annotated[
        bool, typer.Option("--all-audio", help="Also what is no music: speech, noise, the silent, the very short.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, metavar="COUNT", help="So many tracks at most.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to answer.")] = Format.TABLE,
    nul: Annotated[bool, typer.Option("-0", "--null", help="With --format paths: end each path with NUL.")] = False,
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Find tracks by mood, genre and emotion, surest first; without any of them, all music.

    A track's genre is the file's own where you gave it one, else what tagger heard.

    \b
    Examples:
      tagger query --mood happy --genre jazz
      tagger query --emotion serene --min-confidence 0.7 --format m3u8 > evening.m3u8
      tagger query --genre rock --format paths -0 | xargs -0 ls -l
    """
    form = Format.JSON if json else form
    if nul and form is not Format.PATHS:
        raise TaggerError("-0 goes with --format paths")
    from tagger.catalog import engine
    from tagger.playlists import filters
    from tagger.playlists import query as question

    wanted = filters.parse(mood=mood, genre=genre, emotion=emotion, min_confidence=min_confidence, all_audio=all_audio)
    reader = engine.open_reader(options.load(catalog, config).catalog)
    rows = question.run(reader, wanted, limit)
    _answer(rows, form, nul=nul)


def _answer(rows: "Sequence[TrackRow]", form: Format, *, nul: bool) -> None:
    from tagger.playlists import formats

    left_out = 0
    if form is Format.JSON:
        write_json([formats.as_object(row) for row in rows])
    elif form is Format.CSV:
        write_bytes(formats.as_csv(rows).encode("utf-8", "backslashreplace"))
    elif form is Format.PATHS:
        content, left_out = formats.as_paths(rows, nul=nul)
        write_bytes(content)
    elif form is Format.M3U8:
        content, left_out = formats.as_m3u8(rows)
        write_bytes(content)
    else:
        _table(rows)
    if left_out:
        complain(f"{left_out} left out: such a path cannot stand on a line of its own; --format paths -0 has all")


COLUMNS = ("genre", "mood", "emotion", "artist", "title", "path")


def _table(rows: "Sequence[TrackRow]") -> None:
    from tagger.playlists import formats

    table(COLUMNS, [_cells(formats.as_object(row)) for row in rows])


def _cells(track: dict[str, object]) -> list[str]:
    genre = ", ".join(map(str, track["genre"])) if isinstance(track["genre"], list | tuple) else ""
    if track["genre_source"] == "model":
        genre = _with_confidence(genre, track["genre_confidence"])
    mood = _with_confidence(track["mood"], track["mood_confidence"])
    return [genre, mood, *(str(track[name] or "") for name in ("emotion", "artist", "title", "path"))]


def _with_confidence(label: object, confidence: object) -> str:
    return f"{label} {confidence:.2f}" if label and isinstance(confidence, float) else str(label or "")
