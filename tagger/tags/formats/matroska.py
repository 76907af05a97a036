"""Matroska and WebM: heard, never written. Their tags are not read either.

Format: https://www.rfc-editor.org/rfc/rfc8794 (EBML), https://www.rfc-editor.org/rfc/rfc9559
"""

import io
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import BinaryIO

from tagger.records import Refused, TagValues
from tagger.tags.formats import id3
from tagger.tags.formats.base import Content, FormatError, Plan, Style
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason

_EBML, _DOC_TYPE, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x4282, 0x18538067, 0x1F43B675
_INFO, _SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TYPE, _CODEC, _AUDIO, _CHANNELS = 0x1654AE6B, 0xAE, 0x83, 0x86, 0xE1, 0x9F
_SOUND = b"\x02"
_MOST_ELEMENTS = 1000  # that are looked at in one place
_MOST_VALUE_BYTES = 64
_NANOSECONDS = 1_000_000  # of a tick, where the file says nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class _Element:
    id: int
    start: int  # of its body
    stop: int


@dataclass(frozen=True, slots=True)
class Matroska:
    name: str = "matroska"
    suffixes: tuple[bytes, ...] = (b".mka", b".webm", b".weba")

    def matches(self, head: bytes) -> bool:
        file = io.BytesIO(head)
        first = next(_elements(file, 0, len(head)), None)
        if first is None or first.id != _EBML:
            return False
        return _value(file, _child(file, first, _DOC_TYPE)).rstrip(b"\0") in (b"matroska", b"webm")

    def read(self, file: BinaryIO) -> Content:
        codec, length_seconds, channels = _stream(file)
        return Content(
            tags=TagValues(),
            foreign=(),
            codec=codec,
            length_seconds=length_seconds,
            channels=channels,
            refusal=Refused(reason=Reason.MATROSKA, detail=""),
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        raise FormatError(Reason.MATROSKA)

    def identity(self, file: BinaryIO) -> str:
        """Over the whole file behind any leading ID3v2 tags."""
        return identity_of_ranges(file, [(_start(file), 1 << 62)])


MATROSKA = Matroska()


def _start(file: BinaryIO) -> int:
    tags = id3.leading_tags(file)
    return sum(tags[-1]) if tags else 0


def _stream(file: BinaryIO) -> tuple[str, float | None, int | None]:
    """Codec, declared length in seconds and channels of the first sound track, as far as they can be read."""
    size_bytes = file.seek(0, os.SEEK_END)
    top = _elements(file, _start(file), size_bytes)
    segment = next((element for element in islice(top, _MOST_ELEMENTS) if element.id == _SEGMENT), None)
    if segment is None:
        return "", None, None
    head = takewhile(lambda element: element.id != _CLUSTER, _elements(file, segment.start, segment.stop))
    parts = {element.id: element for element in islice(head, _MOST_ELEMENTS)}
    codec, channels = _track(file, parts.get(_TRACKS))
    return codec, _length(file, parts.get(_INFO)), channels


def _length(file: BinaryIO, info: _Element | None) -> float | None:
    scale = int.from_bytes(_value(file, _child(file, info, _SCALE)), "big") or _NANOSECONDS
    raw = _value(file, _child(file, info, _DURATION))
    form = {4: ">f", 8: ">d"}.get(len(raw))
    if form is None:
        return None
    seconds: float = struct.unpack(form, raw)[0] * scale / 1e9
    return seconds if 0 <= seconds < math.inf else None


def _track(file: BinaryIO, tracks: _Element | None) -> tuple[str, int | None]:
    """Codec and channels of the first sound track."""
    for track in _children(file, tracks):
        if track.id == _TRACK and _value(file, _child(file, track, _TYPE)) == _SOUND:
            name = _value(file, _child(file, track, _CODEC)).rstrip(b"\0").decode("ascii", "replace")
            channels = _value(file, _child(file, _child(file, track, _AUDIO), _CHANNELS))
            codec = "mp3" if name == "A_MPEG/L3" else name.removeprefix("A_").partition("/")[0].lower()
            return codec, int.from_bytes(channels, "big") or None
    return "", None


def _children(file: BinaryIO, parent: _Element | None) -> Iterator[_Element]:
    return islice(_elements(file, parent.start, parent.stop), _MOST_ELEMENTS) if parent else iter(())


def _child(file: BinaryIO, parent: _Element | None, wanted: int) -> _Element | None:
    return next((element for element in _children(file, parent) if element.id == wanted), None)


def _value(file: BinaryIO, element: _Element | None) -> bytes:
    """The body of a small element; nothing where it is absent or too large to be a value."""
    if element is None or element.stop - element.start > _MOST_VALUE_BYTES:
        return b""
    file.seek(element.start)
    return file.read(element.stop - element.start)


def _elements(file: BinaryIO, start: int, stop: int) -> Iterator[_Element]:
    """The elements of a range, clipped at its end; ends before bytes that begin none."""
    position = start
    while position < stop:
        file.seek(position)
        head = file.read(12)
        id_bytes = _width(head)
        size_bytes = _width(head[id_bytes:])
        behind = id_bytes + size_bytes
        if not 0 < id_bytes <= 4 or not size_bytes or len(head) < behind:
            return
        most = (1 << 7 * size_bytes) - 1
        length = int.from_bytes(head[id_bytes:behind], "big") & most
        body = position + behind
        end = stop if length == most else min(stop, body + length)  # all ones: as long as there is something
        yield _Element(id=int.from_bytes(head[:id_bytes], "big"), start=body, stop=end)
        position = end


def _width(head: bytes) -> int:
    """Bytes of the number of variable size that begins `head`; 0 where none does."""
    return 9 - head[0].bit_length() if head[:1].strip(b"\0") else 0
