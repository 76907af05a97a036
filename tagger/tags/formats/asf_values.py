"""What an ASF header says: tags, length, and the kind of sound; nothing here is ever written."""

import struct
from collections.abc import Iterator
from uuid import UUID

from tagger.records import TagValues
from tagger.tags.formats.asf_objects import (
    FILE_PROPERTIES,
    HOLDERS,
    STREAM_PROPERTIES,
    UNICODE,
    AsfObject,
    Header,
    descriptions,
)
from tagger.tags.formats.base import FormatError
from tagger.tags.formats.id3_values import year
from tagger.tags.refusals import Reason

FILE_SIZE_AT = 40
"""Where a File Properties Object holds the size of the file, 8 bytes."""

_FILE_PROPERTIES_BYTES = 104
_BROADCAST = 1  # flag of a file: its size and length are not known
_AUDIO = UUID("F8699E40-5B4D-11CF-A8FD-00805F5C442B").bytes_le
_FLAGS_AT, _FORMAT_AT = 72, 78  # of a stream's flags and WAVEFORMATEX, in a Stream Properties Object
_SHORTEST_STREAM_BYTES = 90  # with the ten bytes that mutagen reads of each WAVEFORMATEX
_ENCRYPTED = 0x8000  # flag of a stream
_CODECS = {0x0A: "wmavoice", 0x55: "mp3", 0x160: "wmav1", 0x161: "wmav2", 0x162: "wmapro", 0x163: "wmalossless"}


def values(header: Header) -> TagValues:
    """As players show them; an attribute of ours that is no text is no value."""
    texts: dict[str, list[str]] = {}
    ours: dict[str, list[str]] = {}
    for name, text in descriptions(header):
        texts.setdefault(name, []).append(text)
    for attribute in (one for guid in HOLDERS for one in header.attributes.get(guid, ())):
        if attribute.kind == UNICODE and attribute.field:
            ours.setdefault(attribute.field, []).append(attribute.text)
        elif attribute.kind == UNICODE:
            texts.setdefault(attribute.name, []).append(attribute.text)
    joined = {name: "; ".join(several) or None for name, several in texts.items()}
    return TagValues(
        artist=joined.get("Author"),
        title=joined.get("Title"),
        album=joined.get("WM/AlbumTitle"),
        year=year(joined.get("WM/Year")),
        genre=tuple(ours.pop("genre", ())),
        mood=tuple(ours.pop("mood", ())),
        grouping=tuple(ours.pop("grouping", ())),
        own={name: tuple(several) for name, several in ours.items()},
    )


def declared_size(header: Header) -> int:
    """Of the whole file, in bytes. Raises FormatError without a File Properties Object."""
    at = _file_properties(header).offset + FILE_SIZE_AT
    return int.from_bytes(header.raw(at, at + 8), "little")


def length_seconds(header: Header) -> float | None:
    """As declared, in units of 100 ns, without the preroll in ms that it includes."""
    body = header.raw(_file_properties(header).body, _file_properties(header).end)
    duration, _, preroll_ms, flags = struct.unpack_from("<QQQI", body, 40)
    if flags & _BROADCAST or not duration:
        return None
    seconds: float = duration / 1e7 - preroll_ms / 1e3
    return max(seconds, 0.0)


def sound(header: Header) -> tuple[str, int]:
    """Codec and channels of the first sound stream. Raises FormatError where there is none."""
    for one in _streams(header):
        is_sound = header.raw(one.body, one.body + 16) == _AUDIO
        if is_sound and one.length >= _FORMAT_AT + 4:
            codec, channels = struct.unpack_from("<HH", header.content, one.offset + _FORMAT_AT)
            return _CODECS.get(codec, f"{codec:#06x}"), channels
    raise FormatError(Reason.DAMAGED, "no sound stream")


def is_encrypted(header: Header) -> bool:
    """Whether a stream's flags say so."""
    flags = (header.raw(one.offset + _FLAGS_AT, one.offset + _FLAGS_AT + 2) for one in _streams(header))
    return any(int.from_bytes(one, "little") & _ENCRYPTED for one in flags)


def has_short_stream(header: Header) -> bool:
    """Whether one is too short for a sound or a picture: commands, say, which mutagen takes for sound."""
    return any(one.length < _SHORTEST_STREAM_BYTES for one in _streams(header))


def _streams(header: Header) -> Iterator[AsfObject]:
    return (one for one in header.objects if one.guid == STREAM_PROPERTIES)


def _file_properties(header: Header) -> AsfObject:
    found = header.find(FILE_PROPERTIES)
    if found is None or found.length < _FILE_PROPERTIES_BYTES:
        raise FormatError(Reason.DAMAGED, "no file properties")
    return found
