"""DSF: the chunks `DSD `, `fmt ` and `data`, then an ID3v2 tag to which the first chunk points.

The tag is the end of the file, so the audio stays where it is; the first chunk's size and pointer follow the tag. An
ID3v1 tag that a program has put behind all that is declared stays there: no reader looks at it.

Format: https://dsd-guide.com/sites/default/files/white-papers/DSFFileFormatSpec_E.pdf
"""

import io
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.formats import id3, id3_values
from tagger.tags.formats.base import Content, Copy, FormatError, Literal, Plan, Style
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason
from tagger.tags.splice import size, tidy

_DSD = struct.Struct("<4sQQQ")  # id, size of this chunk, size of the file, where the tag begins or 0
_FORMAT = struct.Struct("<4sQIIIIIIQII")  # id, size; version, id, channel type, channels, rate in Hz, bits, samples
_DATA = struct.Struct("<4sQ")  # id, size with this header
_ID3V1_BYTES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunks:
    """The audio: bodies of the format chunk and of the data chunk as (start, stop), and what the former says."""

    format: tuple[int, int]
    data: tuple[int, int]
    length_seconds: float | None
    channels: int


@dataclass(frozen=True, slots=True)
class Dsf:
    name: str = "dsf"
    suffixes: tuple[bytes, ...] = (b".dsf",)

    def matches(self, head: bytes) -> bool:
        return head.startswith(b"DSD ")

    def read(self, file: BinaryIO) -> Content:
        tags, refusal = TagValues(), None
        foreign: tuple[bytes, ...] = ()
        length_seconds, channels = None, None
        try:
            chunks = _chunks(file)
            length_seconds, channels = chunks.length_seconds, chunks.channels
            raw = _raw_tag(file, _tag_start(file, chunks))
            tags = id3_values.read_tag(raw) if raw else tags
            tag = _tag(file, chunks)
            foreign = tag.foreign if tag else ()
        except FormatError as error:
            refusal = error.refused()
        return Content(
            tags=tags,
            foreign=foreign,
            codec="dsd",
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        chunks = _chunks(file)
        start = _tag_start(file, chunks)
        new_tag = tidy(id3.splice(_tag(file, chunks), changes, style, reserve=0))
        sizes = struct.pack("<QQ", start + size(new_tag), start if new_tag else 0)
        end = _declared_end(file)
        tail = Copy(end, file.seek(0, os.SEEK_END) - end)
        return tidy((Copy(0, 12), Literal(sizes), Copy(_DSD.size, start - _DSD.size), *new_tag, tail))

    def identity(self, file: BinaryIO) -> str:
        """Over the bodies of the format and data chunks; over the whole file where these are damaged."""
        try:
            chunks = _chunks(file)
        except FormatError:
            return identity_of_ranges(file, [(0, 1 << 62)])
        return identity_of_ranges(file, [chunks.format, chunks.data])


DSF = Dsf()


def _chunks(file: BinaryIO) -> _Chunks:
    """Raises FormatError where the chunks do not follow each other as they must."""
    size_bytes = file.seek(0, os.SEEK_END)
    if size_bytes < _DSD.size + _FORMAT.size + _DATA.size:
        raise FormatError(Reason.DAMAGED, "it ends within its first chunks")
    file.seek(0)
    name, head_bytes, _, _ = _DSD.unpack(file.read(_DSD.size))
    if name != b"DSD " or head_bytes != _DSD.size:
        raise FormatError(Reason.DAMAGED, f"a first chunk of {head_bytes} bytes")
    format_at = _DSD.size
    name, format_bytes, _, _, _, channels, rate_hz, _, samples, _, _ = _FORMAT.unpack(file.read(_FORMAT.size))
    data_at = format_at + format_bytes
    if name != b"fmt " or format_bytes < _FORMAT.size or data_at + _DATA.size > size_bytes:
        raise FormatError(Reason.DAMAGED, "no format chunk behind the first one")
    file.seek(data_at)
    name, data_bytes = _DATA.unpack(file.read(_DATA.size))
    if name != b"data" or data_bytes < _DATA.size:
        raise FormatError(Reason.DAMAGED, "no data chunk behind the format chunk")
    if data_at + data_bytes > size_bytes:
        raise FormatError(Reason.DAMAGED, f"{data_at + data_bytes} bytes declared, {size_bytes} found")
    return _Chunks(
        format=(format_at + _DATA.size, data_at),
        data=(data_at + _DATA.size, data_at + data_bytes),
        length_seconds=samples / rate_hz if rate_hz else None,
        channels=channels,
    )


def _declared_end(file: BinaryIO) -> int:
    """Raises FormatError where the file is not as long as it says; an ID3v1 tag may stand behind the end."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    declared: int = _DSD.unpack(file.read(_DSD.size))[2]
    file.seek(max(size_bytes - _ID3V1_BYTES, 0))
    tail_bytes = _ID3V1_BYTES if declared + _ID3V1_BYTES == size_bytes and file.read(3) == b"TAG" else 0
    if declared + tail_bytes != size_bytes:
        raise FormatError(Reason.DSF_SIZES, f"{declared} bytes declared, {size_bytes} found")
    return declared


def _tag_start(file: BinaryIO, chunks: _Chunks) -> int:
    """Where the tag begins, or shall begin. Raises FormatError unless audio and tag are all there is."""
    end = _declared_end(file)
    file.seek(0)
    _, _, _, pointer = _DSD.unpack(file.read(_DSD.size))
    if pointer >= end:
        raise FormatError(Reason.DSF_SIZES, f"it points to byte {pointer}, behind its end")
    audio_stop = chunks.data[1]
    if (pointer or end) != audio_stop:
        raise FormatError(Reason.DSF_SIZES, f"the audio ends at byte {audio_stop}, the tag is at {pointer}")
    return audio_stop


def _raw_tag(file: BinaryIO, start: int) -> bytes:
    end = _declared_end(file)
    file.seek(start)
    return file.read(end - start)


def _tag(file: BinaryIO, chunks: _Chunks) -> id3.Tag | None:
    start = _tag_start(file, chunks)
    raw = _raw_tag(file, start)
    if len(id3.leading_tags(io.BytesIO(raw))) > 1:
        raise FormatError(Reason.ID3_TWICE)
    return id3.parse(raw, start) if raw else None
