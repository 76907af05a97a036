"""Ogg Vorbis and Opus: the comment is the second packet; the pages that carry it are laid out anew, the others copied.

The new header pages are as many as the old ones wherever that can be, so that no audio page changes at all; else the
audio pages get their new numbers, and nothing else of them changes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.formats import vorbis_comment
from tagger.tags.formats.base import Content, Copy, FormatError, Literal, Plan, Segment, Style
from tagger.tags.formats.ogg_pages import FIRST, LAST, Page, build, is_intact, pages, paginate, renumbered
from tagger.tags.formats.payload import identity, identity_of_ranges
from tagger.tags.refusals import Reason
from tagger.tags.splice import cut, size, tidy

_LEAST_HEAD_BYTES = 16
"""Of an identification: as much as is read of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """The pages of the one stream, and its header packets as plans over the file."""

    pages: tuple[Page, ...]
    header_pages: int  # the first ones, with the identification
    packets: tuple[Plan, ...]  # identification, comment, and Vorbis' setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Ogg:
    """One codec in Ogg."""

    name: str
    codec: str
    suffixes: tuple[bytes, ...]
    mark: bytes  # with which the identification packet begins
    comment_mark: bytes
    headers: int  # packets before the audio

    def matches(self, head: bytes) -> bool:
        return head.startswith(b"OggS") and head[28 : 28 + len(self.mark)] == self.mark

    def read(self, file: BinaryIO) -> Content:
        tags, refusal = TagValues(), None
        foreign: tuple[bytes, ...] = ()
        length_seconds, channels = None, None
        try:
            stream = self._stream(file)
            length_seconds, channels = self._length(file, stream)
            comment, tail = self._comment(file, stream)
            tags, foreign = comment.values(), (*comment.foreign, tail)
        except FormatError as error:
            refusal = error.refused()
        return Content(
            tags=tags,
            foreign=foreign,
            codec=self.codec,
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        stream = self._stream(file)
        comment, _ = self._comment(file, stream)
        old = stream.packets[1]
        skipped = len(self.comment_mark)
        new: list[Segment] = [Literal(self.comment_mark)]
        for segment in vorbis_comment.splice(comment, changes):
            shifted = isinstance(segment, Copy)
            new += cut(old, segment.offset + skipped, segment.length) if shifted else [segment]  # type: ignore[union-attr]
        end = skipped + comment.end
        new += cut(old, end, sum(part.length for part in old) - end)
        return self._assembled(file, stream, (tidy(new), *stream.packets[2:]))

    def identity(self, file: BinaryIO) -> str:
        """Over all bytes of all packets but the comment, and over the lengths in which they are laced.

        Over the whole file where its pages do not hold together.
        """
        try:
            stream = self._stream(file)
        except FormatError:
            return identity_of_ranges(file, [(0, 1 << 62)])
        digest = hashlib.sha256()
        for packet in (stream.packets[0], *stream.packets[2:]):
            data = _read(file, packet)
            digest.update(len(data).to_bytes(8, "little") + data)
        lacing = hashlib.sha256()
        for page in stream.pages[stream.header_pages :]:
            file.seek(page.body_offset)
            digest.update(file.read(page.body_length))
            lacing.update(page.lacing)
        digest.update(lacing.digest())
        return identity(digest.hexdigest())

    def _assembled(self, file: BinaryIO, stream: _Stream, packets: tuple[Plan, ...]) -> Plan:
        """The file with these packets behind the identification."""
        first = stream.pages[0]
        laid_out = paginate(packets, stream.header_pages - 1)
        segments: list[Segment] = [Copy(0, first.end)]
        for number, (flags, granule, lacing, body) in enumerate(laid_out, start=first.number + 1):
            segments += build(flags, granule, first.serial, number, lacing, body, file)
        audio = stream.pages[stream.header_pages :]
        shift = 1 + len(laid_out) - stream.header_pages
        if shift == 0 and audio:
            segments.append(Copy(audio[0].offset, audio[-1].end - audio[0].offset))
        else:
            segments += [segment for page in audio for segment in renumbered(page, page.number + shift)]
        return tidy(segments)

    def _stream(self, file: BinaryIO) -> _Stream:
        """Raises FormatError for anything but one whole stream whose audio begins on a page of its own."""
        found = tuple(pages(file))
        for before, page in zip((None, *found), found, strict=False):
            _check(before, page)
        packets, header_pages = _header_packets(found, self.headers)
        if size(packets[0]) < _LEAST_HEAD_BYTES:
            raise FormatError(Reason.DAMAGED, "the identification is cut short")
        for page in found[:header_pages]:
            if not is_intact(page, file):
                raise FormatError(Reason.OGG_CRC, f"page {page.number}")
        return _Stream(pages=found, header_pages=header_pages, packets=packets)

    def _comment(self, file: BinaryIO, stream: _Stream) -> tuple[vorbis_comment.Comment, bytes]:
        """The comment, and what stands behind its last entry."""
        packet = _read(file, stream.packets[1])
        if not packet.startswith(self.comment_mark):
            raise FormatError(Reason.COMMENT_DAMAGED, "the second packet is no comment")
        block = packet[len(self.comment_mark) :]
        comment = vorbis_comment.parse(block)
        return comment, block[comment.end :]

    def _length(self, file: BinaryIO, stream: _Stream) -> tuple[float | None, int | None]:
        """Declared length in seconds, and channels."""
        head = _read(file, stream.packets[0])
        granule = stream.pages[-1].granule
        if self.codec == "opus":
            pre_skip = int.from_bytes(head[10:12], "little")
            return (max(0, granule - pre_skip) / 48_000 if granule > 0 else None), head[9]
        rate_hz = int.from_bytes(head[12:16], "little")
        return (granule / rate_hz if granule > 0 and rate_hz else None), head[11]


VORBIS = Ogg(
    name="ogg-vorbis",
    codec="vorbis",
    suffixes=(b".ogg", b".oga"),
    mark=b"\x01vorbis",
    comment_mark=b"\x03vorbis",
    headers=3,
)
OPUS = Ogg(
    name="ogg-opus",
    codec="opus",
    suffixes=(b".opus", b".ogg", b".oga"),
    mark=b"OpusHead",
    comment_mark=b"OpusTags",
    headers=2,
)


def _check(before: Page | None, page: Page) -> None:
    if before is None:
        if not page.flags & FIRST:
            raise FormatError(Reason.OGG_GAP, "the first page is missing")
        return
    if page.flags & FIRST:
        reason = Reason.OGG_CHAINED if before.flags & LAST else Reason.OGG_MULTIPLEXED
        raise FormatError(reason)
    if page.serial != before.serial:
        raise FormatError(Reason.OGG_MULTIPLEXED)
    if page.number != before.number + 1:
        raise FormatError(Reason.OGG_GAP, f"page {page.number} follows page {before.number}")


def _header_packets(found: tuple[Page, ...], count: int) -> tuple[tuple[Plan, ...], int]:
    """The first `count` packets, and on how many pages they lie."""
    packets: list[Plan] = []
    pieces: list[Segment] = []
    for number, page in enumerate(found, start=1):
        position = page.body_offset
        for length in page.lacing:
            if len(packets) == count:
                raise FormatError(Reason.DAMAGED, "audio begins on a page of the headers")
            pieces.append(Copy(position, length))
            position += length
            if length < 255:
                packets.append(tidy(pieces))
                pieces = []
        if len(packets) == count:
            return tuple(packets), number
    raise FormatError(Reason.DAMAGED, "it ends within the headers")


def _read(file: BinaryIO, plan: Plan) -> bytes:
    parts = []
    for segment in plan:
        assert isinstance(segment, Copy)
        file.seek(segment.offset)
        parts.append(file.read(segment.length))
    return b"".join(parts)
