"""What an MP4's metadata says: its list, and what stands beside it and is shown as well; nothing here is ever written.

QuickTime has texts right in `udta`, and lists whose entries are numbers into a table of keys (FFmpeg with
`use_metadata_tags`, Apple's cameras). FFmpeg, ExifTool and MediaInfo show both like the list; TagLib and mutagen
neither.

Format: https://developer.apple.com/documentation/quicktime-file-format/metadata_atoms_and_types
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import mutagen.mp4

from tagger.records import Field, TagValues
from tagger.tags.fields import PREFIX
from tagger.tags.formats.base import FormatError
from tagger.tags.formats.id3_values import filled, year
from tagger.tags.formats.mp4_atoms import Atom, atoms, child, read_body
from tagger.tags.refusals import Reason

META_SKIP = 4
"""Version and flags, before the children of meta."""

_HOLDERS: Mapping[bytes, tuple[bytes, ...]] = {b"moov": (b"trak", b"udta"), b"trak": (b"udta",)}
_GENRE = b"\xa9gen"
_TEXT_AT = 4  # in a QuickTime text: its length and its language stand before it
_VALUE_AT = 8  # in a data atom: type and country


def values(file: BinaryIO, elsewhere: Mapping[str, tuple[str, ...]]) -> TagValues:
    """The list as mutagen reads it, and where it is silent, what `beside` found; a numeric genre comes as its name."""
    file.seek(0)
    try:
        tags: Mapping[str, Sequence[object]] = mutagen.mp4.MP4(file).tags or {}
    except MemoryError:
        raise
    except Exception as error:  # mutagen leaks errors of every kind
        raise FormatError(Reason.DAMAGED, str(error)) from error
    own: dict[str, tuple[str, ...]] = {}
    for key, entries in tags.items():
        name = key.rpartition(":")[2].upper()
        if key.lower().startswith("----:com.apple.itunes:") and (name in ("MOOD", "GENRE") or name.startswith(PREFIX)):
            own[name] = tuple(entry.decode("utf-8", "replace") for entry in entries if isinstance(entry, bytes))
    mood, genre = own.pop("MOOD", ()), own.pop("GENRE", ())
    listed = TagValues(
        artist=_first(tags, "\xa9ART"),
        title=_first(tags, "\xa9nam"),
        album=_first(tags, "\xa9alb"),
        year=year(_first(tags, "\xa9day")),
        genre=tuple(map(str, tags.get("\xa9gen", ()))) or genre,
        mood=mood,
        grouping=tuple(map(str, tags.get("\xa9grp", ()))),
        own=own,
    )
    return filled(listed, TagValues(genre=elsewhere.get(Field.GENRE, ()), mood=elsewhere.get(Field.MOOD, ())))


def checked_metas(file: BinaryIO, top: Sequence[Atom], moov: Atom) -> list[Atom]:
    """Every meta atom of the file, its tracks and its user data.

    Raises FormatError for one without version and flags, as QuickTime has them: mutagen takes its first eight bytes for
    an atom of a gigabyte, and finds nothing behind. And for one that holds offsets of the file.
    """
    found = [*(atom for atom in top if atom.name == b"meta"), *_metas(file, moov)]
    for meta in found:
        file.seek(meta.body + 4)
        if file.read(4) == b"hdlr":
            raise FormatError(Reason.MP4_LAYOUT, "QuickTime metadata without a version")
        if child(file, meta, b"iloc", META_SKIP):
            raise FormatError(Reason.MP4_OFFSETS, "offsets of items (iloc)")
    return found


def handler(file: BinaryIO, meta: Atom) -> bytes:
    """Of which kind a meta atom says it is: "mdir" for iTunes' list, "mdta" for keys; empty where it does not say."""
    found = child(file, meta, b"hdlr", META_SKIP)
    return read_body(file, found)[8:12] if found else b""


def beside(file: BinaryIO, metas: Sequence[Atom], udta: Atom | None) -> dict[str, tuple[str, ...]]:
    """Our fields as they stand in these meta atoms and, as texts, in the user data."""
    found: dict[str, tuple[str, ...]] = {}
    for meta in metas:
        for name, text in _listed(file, meta):
            if field := _field(name):
                found[field] = (*found.get(field, ()), text)
    direct = child(file, udta, _GENRE) if udta else None
    if direct:
        genre = read_body(file, direct)[_TEXT_AT:].decode("utf-8", "replace")
        found[Field.GENRE] = (*found.get(Field.GENRE, ()), genre)
    return found


def _metas(file: BinaryIO, parent: Atom) -> Iterator[Atom]:
    for atom in atoms(file, parent.body, parent.end):
        if atom.name == b"meta":
            yield atom
        elif atom.name in _HOLDERS.get(parent.name, ()):
            yield from _metas(file, atom)


def _listed(file: BinaryIO, meta: Atom) -> Iterator[tuple[str, str]]:
    """Name and text of each value of a list outside the user data."""
    parts = {atom.name: atom for atom in atoms(file, meta.body + META_SKIP, meta.end)}
    if b"ilst" not in parts:
        return
    names = {_GENRE: Field.GENRE.value} | (_keys(file, parts[b"keys"]) if b"keys" in parts else {})
    for entry in atoms(file, parts[b"ilst"].body, parts[b"ilst"].end):
        if entry.name in names:
            for data in atoms(file, entry.body, entry.end):
                if data.name == b"data":
                    yield names[entry.name], read_body(file, data)[_VALUE_AT:].decode("utf-8", "replace")


def _keys(file: BinaryIO, keys: Atom) -> dict[bytes, str]:
    """The names of a list's entries by the number that each has in the place of its name."""
    named = enumerate(atoms(file, keys.body + 8, keys.end), start=1)
    return {number.to_bytes(4, "big"): read_body(file, key).decode("utf-8", "replace") for number, key in named}


def _field(name: str) -> str | None:
    """The field that a key means, also as "com.apple.quicktime.genre"."""
    last = name.rpartition(".")[2]
    if last.upper().startswith(PREFIX):
        return last.upper()
    return last.lower() if last.lower() in (Field.GENRE, Field.MOOD) else None


def _first(tags: Mapping[str, Sequence[object]], key: str) -> str | None:
    return "; ".join(map(str, tags.get(key, ()))) or None
