"""How a list of tracks leaves the program: objects, CSV, paths, M3U8."""

import csv
import io
import os
import unicodedata
from collections.abc import Sequence

from tagger.catalog.views import TrackRow

_LONGEST_TITLE = 1000
"""Characters; players read a playlist's lines into buffers."""
COLUMNS = (
    "path",
    "artist",
    "title",
    "album",
    "year",
    "length_seconds",
    "genre",
    "genre_source",
    "genre_predicted",
    "genre_confidence",
    "mood",
    "mood_confidence",
    "emotion",
    "valence",
    "arousal",
    "dominance",
    "bundle_id",
)


def as_object(row: TrackRow) -> dict[str, object]:
    """The documented fields of a track, numbers unrounded, the path as the operating system's string."""
    predicted = (row.genre,) if row.genre else ()
    values: dict[str, object] = {name: getattr(row, name, None) for name in COLUMNS}
    return values | {
        "path": os.fsdecode(row.path),
        "genre": list(row.user_genres or predicted),
        "genre_source": "file" if row.user_genres else "model",
        "genre_predicted": row.genre,
    }


def as_csv(rows: Sequence[TrackRow]) -> str:
    """A header and a line a track; several genres are joined with "; "."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for row in rows:
        values = as_object(row)
        values["genre"] = "; ".join(row.user_genres or ((row.genre,) if row.genre else ()))
        table.writerow([values[name] for name in COLUMNS])
    return text.getvalue()


def as_paths(rows: Sequence[TrackRow], *, nul: bool) -> tuple[bytes, int]:
    """The paths, and how many were left out: with NUL between them none, on lines those that hold a newline."""
    if nul:
        return b"".join(row.path + b"\0" for row in rows), 0
    fitting = [row.path for row in rows if b"\n" not in row.path]
    return b"".join(path + b"\n" for path in fitting), len(rows) - len(fitting)


def as_m3u8(rows: Sequence[TrackRow]) -> tuple[bytes, int]:
    """An extended playlist in UTF-8, and how many tracks were left out because their path cannot be a line of it."""
    lines, left_out = ["#EXTM3U"], 0
    for row in rows:
        try:
            path = row.path.decode("utf-8")
        except UnicodeDecodeError:
            path = "\n"
        if "\n" in path or "\r" in path:
            left_out += 1
            continue
        title = " - ".join(part for part in (row.artist, row.title) if part) or os.path.basename(path)
        lines += [f"#EXTINF:{round(row.length_seconds or -1)},{_shown(title)}", path]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace"), left_out


def _shown(title: str) -> str:
    """A title that stays on its line; controls, which mean nothing in a playlist, count as spaces."""
    plain = "".join(" " if unicodedata.category(mark) == "Cc" else mark for mark in title[:_LONGEST_TITLE])
    return " ".join(plain.split())
