"""What an ID3 tag says, as mutagen reads it; nothing here is ever written."""

import io
import re
from typing import BinaryIO

from mutagen.apev2 import TEXT, APEv2
from mutagen.id3 import ID3, TCON, ParseID3v1

from tagger.records import TagValues
from tagger.tags.fields import says_something
from tagger.tags.formats import id3
from tagger.tags.formats.base import FormatError

_LAST_ID3V1_GENRE = 255  # which says that there is none
_YEAR = re.compile(r"\d{4}")


def year(text: str | None) -> int | None:
    """The first four digits in a row of a date."""
    found = _YEAR.search(text or "")
    return int(found[0]) if found else None


def filled(values: TagValues, more: TagValues) -> TagValues:
    """Values with those of another tag of the same file where they are silent, or say "Other" and the like."""
    return TagValues(
        artist=values.artist or more.artist,
        title=values.title or more.title,
        album=values.album or more.album,
        year=values.year or more.year,
        genre=_said(values.genre, more.genre),
        mood=_said(values.mood, more.mood),
        grouping=_said(values.grouping, more.grouping),
        own={**more.own, **values.own},
    )


def _said(values: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return values if says_something(values) else more or values


def read_tag(raw: bytes) -> TagValues:
    """The values of one ID3v2 tag of any version; none where mutagen cannot read it.

    Numeric genres ("(17)", "17") come as names. What version 2.3 holds joined stays one value. Apple's grouping counts
    where the standard frame is silent.
    """
    try:
        tag = ID3(io.BytesIO(raw), translate=False, load_v1=False)
        genres = tuple(genre for frame in tag.getall("TCON") for text in frame.text for genre in _genres(text))
        tag.update_to_v24()
    except MemoryError:  # says nothing of the tag
        raise
    except Exception:  # mutagen meets hostile input here and leaks errors of every kind
        return TagValues()
    named = {frame.desc.upper(): tuple(frame.text) for frame in tag.getall("TXXX")}
    moods = _texts(tag, "TMOO") + named.get("MOOD", ())
    return TagValues(
        artist=_joined(_texts(tag, "TPE1")),
        title=_joined(_texts(tag, "TIT2")),
        album=_joined(_texts(tag, "TALB")),
        year=year(_joined(_texts(tag, "TDRC")) or _joined(_texts(tag, "TDRL"))),
        genre=genres or named.get("GENRE", ()) or _undecoded(raw, "genre"),
        mood=tuple(dict.fromkeys(moods)) or _undecoded(raw, "mood"),  # where both places hold it, it is one mood
        grouping=_texts(tag, "TIT1") or _undecoded(raw, "grouping") or _texts(tag, "GRP1"),
        own={name: values for name, values in named.items() if name.startswith("TAGGER_")},
    )


def _genres(text: str) -> list[str]:
    """What a TCON text says; a number that never was one of a genre, such as a year, stands for itself."""
    genres: list[str] = TCON(encoding=3, text=[text]).genres
    numbers = re.findall(r"\d+", text)
    return (
        [text] if genres == ["Unknown"] and not all(int(number) <= _LAST_ID3V1_GENRE for number in numbers) else genres
    )


def _undecoded(raw: bytes, field: str) -> tuple[str, ...]:
    """What stands in a text frame that mutagen makes nothing of, by a guess: players do show it, so it is a value."""
    try:
        frames = id3.parse(id3.without_stray_footer(raw), 0).frames
    except FormatError:
        return ()
    bodies = (frame.body for frame in frames if frame.field == field and not frame.description)
    texts = (body[1:].decode("latin-1").strip("\0\xff\xfe \t") for body in bodies)
    return tuple(text for text in texts if text)


def read_id3v1(raw: bytes) -> TagValues:
    """Artist, title, album and year of the 128 bytes at the end of a file; its genre byte is no value of a user's."""
    frames = ParseID3v1(raw) or {}
    texts = {key: str(frame) for key, frame in frames.items()}
    return TagValues(
        artist=texts.get("TPE1"), title=texts.get("TIT2"), album=texts.get("TALB"), year=year(texts.get("TDRC"))
    )


def read_ape(file: BinaryIO) -> TagValues:
    """Genre, mood and grouping of an APEv2 tag at the end of the file."""
    try:
        tag = APEv2(file)
    except MemoryError:
        raise
    except Exception:  # as above
        return TagValues()
    texts = {key.lower(): tuple(item) for key, item in tag.items() if item.kind == TEXT}
    return TagValues(genre=texts.get("genre", ()), mood=texts.get("mood", ()), grouping=texts.get("grouping", ()))


def _texts(tag: ID3, frame_id: str) -> tuple[str, ...]:
    return tuple(str(text) for frame in tag.getall(frame_id) for text in frame.text)


def _joined(texts: tuple[str, ...]) -> str | None:
    return "; ".join(texts) or None
