"""MP3 (and MPEG layers I and II): an ID3v2 tag, MPEG frames, and a tail of other tags that is never touched."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from mutagen.mp3 import MPEGInfo

from tagger.records import TagValues
from tagger.tags.formats import id3, id3_values
from tagger.tags.formats.base import PADDING_BYTES, Content, Copy, FormatError, Plan, Style
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.formats.tails import Tail, find_tail
from tagger.tags.refusals import Reason
from tagger.tags.splice import tidy

_SEARCH_BYTES = 65_536  # how far behind the tag the first frame may be
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_BITRATES_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where things are: ID3v2 tags, audio (with whatever stands before the first frame), tail."""

    tags: tuple[tuple[int, int], ...]
    audio_start: int
    tail: Tail
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Mp3:
    name: str = "mp3"
    suffixes: tuple[bytes, ...] = (b".mp3", b".mp2", b".mpga")

    def matches(self, head: bytes) -> bool:
        return first_frame(head) is not None

    def read(self, file: BinaryIO) -> Content:
        layout = _layout(file)
        try:
            tag = _spliceable(file, layout)
            foreign, refusal = (tag.foreign if tag else ()), None
        except FormatError as error:
            foreign, refusal = (), error.refused()
        codec, length_seconds, channels = _stream(file, layout)
        return Content(
            tags=_values(file, layout),
            foreign=foreign,
            codec=codec,
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        layout = _layout(file)
        tag = _spliceable(file, layout)
        new_tag = id3.splice(tag, changes, style, reserve=PADDING_BYTES)
        behind = tag.length if tag else 0
        return tidy((*new_tag, Copy(behind, layout.size_bytes - behind)))

    def identity(self, file: BinaryIO) -> str:
        """Over the frames between the tags, without a Xing, Info or VBRI frame, which tools add and remove."""
        layout = _layout(file)
        start, stop = layout.audio_start, layout.tail.start
        file.seek(start)
        head = file.read(min(_SEARCH_BYTES, stop - start))
        frame = first_frame(head)
        if frame and _is_info_frame(head[frame[0] : frame[0] + frame[1]]):
            return identity_of_ranges(file, [(start, start + frame[0]), (start + frame[0] + frame[1], stop)])
        return identity_of_ranges(file, [(start, stop)])


MP3 = Mp3()


def first_frame(head: bytes) -> tuple[int, int] | None:
    """(offset, length) of the first MPEG frame that another one follows, or that ends exactly with `head`."""
    position = head.find(b"\xff")
    while position >= 0:
        length = _frame_length(head[position : position + 4])
        if length and (position + length == len(head) or _frame_length(head[position + length :][:4])):
            return position, length
        position = head.find(b"\xff", position + 1)
    return None


def _frame_length(header: bytes) -> int:
    """Bytes of the MPEG frame with this header; 0 where it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    bits_per_second = 1000 * _BITRATES_KBPS[1 if version == 3 else 2, layer][bitrate - 1]
    rate_hz = _RATES_HZ[version][rate]
    if layer == 1:
        return (12 * bits_per_second // rate_hz + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits_per_second // rate_hz + padding


def _is_info_frame(frame: bytes) -> bool:
    side_info = frame[4:40]
    return b"Xing" in side_info or b"Info" in side_info or frame[36:40] == b"VBRI"


def _layout(file: BinaryIO) -> _Layout:
    size_bytes = file.seek(0, os.SEEK_END)
    tags = id3.leading_tags(file)
    audio_start = min(sum(tags[-1]) if tags else 0, size_bytes)
    return _Layout(
        tags=tuple(tags),
        audio_start=audio_start,
        tail=find_tail(file, audio_start, size_bytes),
        size_bytes=size_bytes,
    )


def _spliceable(file: BinaryIO, layout: _Layout) -> id3.Tag | None:
    """The first tag of the file, None where it has none. Raises FormatError where it cannot be spliced.

    Further tags stay as they are; one that holds a field of ours would contradict the first, so it is refused.
    """
    file.seek(layout.audio_start)
    head = file.read(_SEARCH_BYTES)
    frame = first_frame(head)
    if frame is None:
        raise FormatError(Reason.DAMAGED, "no MPEG frame behind the tag")
    if b"ID3" in head[: frame[0]]:
        raise FormatError(Reason.ID3_TWICE, "one stands behind other bytes")
    for raw in _further_tags(file, layout):
        if any(found.field for found in id3.parse(raw, 0).frames):
            raise FormatError(Reason.ID3_TWICE)
    if not layout.tags:
        return None
    offset, length = layout.tags[0]
    file.seek(offset)
    return id3.parse(id3.without_stray_footer(file.read(length)), offset)


def _further_tags(file: BinaryIO, layout: _Layout) -> Iterator[bytes]:
    for offset, length in layout.tags[1:]:
        file.seek(offset)
        yield id3.without_stray_footer(file.read(length))
    if (appended := layout.tail.offset("id3v2")) is not None:
        file.seek(appended)
        yield id3.without_stray_footer(file.read())


def _values(file: BinaryIO, layout: _Layout) -> TagValues:
    """What the first ID3v2 tag says; where it is silent, what the other tags do (an ID3v1 genre is no value)."""
    values = TagValues()
    for offset, length in layout.tags:
        file.seek(offset)
        values = id3_values.filled(values, id3_values.read_tag(file.read(length)))
    if layout.tail.offset("ape") is not None:
        values = id3_values.filled(values, id3_values.read_ape(file))
    if (offset_v1 := layout.tail.offset("id3v1")) is not None:
        file.seek(offset_v1)
        values = id3_values.filled(values, id3_values.read_id3v1(file.read(128)))
    return values


def _stream(file: BinaryIO, layout: _Layout) -> tuple[str, float | None, int | None]:
    """Codec, declared length in seconds, channels."""
    try:
        file.seek(layout.audio_start)
        info = MPEGInfo(file, layout.audio_start)
    except Exception:  # mutagen meets hostile input here and leaks errors of every kind
        return "mp3", None, None
    return f"mp{info.layer}", info.length, info.channels
