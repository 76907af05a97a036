"""Ogg Vorbis, Opus, Speex and FLAC: the comment is the second packet; the pages that carry the headers behind the
identification are laid out anew, the others copied.

The new header pages are as many as the old ones wherever that can be, so that no audio page changes at all; else the
audio pages get their new numbers, and nothing else of them changes.

Format: https://www.rfc-editor.org/rfc/rfc3533, the codecs' mappings in `ogg_codecs`
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.formats import vorbis_comment
from tagger.tags.formats.base import Content, Copy, FormatError, Literal, Plan, Segment, Style
from tagger.tags.formats.ogg_codecs import (
    FLAC_CODEC,
    OPUS_CODEC,
    SPEEX_CODEC,
    VORBIS_CODEC,
    Codec,
)
from tagger.tags.formats.ogg_pages import (
    FIRST,
    HEADER_BYTES,
    LAST,
    MAX_NUMBER,
    Page,
    build,
    is_intact,
    pages,
    paginate,
    renumbered,
)
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
    packets: tuple[Plan, ...]  # identification, comment, and what else the codec has


@dataclass(frozen=True, slots=True, kw_only=True)
class Ogg:
    """One codec in Ogg."""

    name: str
    codec: Codec
    suffixes: tuple[bytes, ...] = (b".ogg", b".oga", b".opus", b".spx")

    def matches(self, head: bytes) -> bool:
        values = head[HEADER_BYTES - 1 : HEADER_BYTES]  # how many lacing values follow
        return head.startswith(b"OggS") and head[HEADER_BYTES + sum(values) :].startswith(self.codec.mark)

    def read(self, file: BinaryIO) -> Content:
        tags, refusal = TagValues(), None
        foreign: tuple[bytes, ...] = ()
        length_seconds, channels = None, None
        try:
            stream = self._stream(file)
            packets = [_read(file, packet) for packet in stream.packets]
            length_seconds, channels = self.codec.length(packets[0], stream.pages[-1].granule)
            at = self.codec.comment_at(packets)
            block = packets[1][at:]
            comment = vorbis_comment.parse(block)
            tags = comment.values()
            foreign = (*comment.foreign, block[comment.end :], *self.codec.foreign(packets))
        except FormatError as error:
            refusal = error.refused()
        return Content(
            tags=tags,
            foreign=foreign,
            codec=self.codec.name,
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        stream = self._stream(file)
        packets, old = [_read(file, packet) for packet in stream.packets], stream.packets[1]
        packet, at = packets[1], self.codec.comment_at(packets)
        comment = vorbis_comment.parse(packet[at:])
        new: list[Segment] = []
        for segment in vorbis_comment.splice(comment, changes):
            copied = isinstance(segment, Copy)
            new += cut(old, segment.offset + at, segment.length) if copied else [segment]  # type: ignore[union-attr]
        new += cut(old, at + comment.end, len(packet) - at - comment.end)
        mark = Literal(self.codec.comment_mark(packet[:at], sum(segment.length for segment in new)))
        return self._assembled(file, stream, (tidy((mark, *new)), *stream.packets[2:]))

    def identity(self, file: BinaryIO) -> str:
        """Over all bytes of all packets but what is of the tags, and over the lengths in which the audio is laced.

        Over the whole file where its pages do not hold together.
        """
        try:
            stream = self._stream(file)
        except FormatError:
            return identity_of_ranges(file, [(0, 1 << 62)])
        digest = hashlib.sha256()
        for data in self.codec.recording([_read(file, packet) for packet in stream.packets]):
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
        shift = 1 + len(laid_out) - stream.header_pages
        if stream.pages[-1].number + shift > MAX_NUMBER:
            raise FormatError(Reason.OGG_GAP, "page numbers that leave none for another page")
        segments: list[Segment] = [Copy(0, first.end)]
        for number, (flags, granule, lacing, body) in enumerate(laid_out, start=first.number + 1):
            segments += build(flags, granule, first.serial, number, lacing, body, file)
        audio = stream.pages[stream.header_pages :]
        if shift == 0 and audio:
            segments.append(Copy(audio[0].offset, audio[-1].end - audio[0].offset))
        else:
            segments += [segment for page in audio for segment in renumbered(page, page.number + shift)]
        end = stream.pages[-1].end
        return tidy((*segments, Copy(end, file.seek(0, os.SEEK_END) - end)))

    def _stream(self, file: BinaryIO) -> _Stream:
        """Raises FormatError for anything but one whole stream whose audio begins on a page of its own."""
        found = tuple(pages(file))
        for before, page in zip((None, *found), found, strict=False):
            _check(before, page)
        packets, header_pages = self._header_packets(file, found)
        if size(packets[0]) < _LEAST_HEAD_BYTES:
            raise FormatError(Reason.DAMAGED, "the identification is cut short")
        for page in found[:header_pages]:
            if not is_intact(page, file):
                raise FormatError(Reason.OGG_CRC, f"page {page.number}")
        return _Stream(pages=found, header_pages=header_pages, packets=packets)

    def _header_packets(self, file: BinaryIO, found: tuple[Page, ...]) -> tuple[tuple[Plan, ...], int]:
        """The packets before the audio, and on how many pages they lie."""
        packets: list[Plan] = []
        head = b""
        for packet, page_count, ends_page in _packets(found):
            if not packets:
                if page_count > 1 or not ends_page or size(packet) < self.codec.head_bytes:
                    raise FormatError(Reason.DAMAGED, "the first page does not hold the identification alone")
                head = _read(file, packet)
            packets.append(packet)
            if self.codec.complete(len(packets), head, _read(file, tuple(cut(packet, 0, 1)))):
                if not ends_page:
                    raise FormatError(Reason.DAMAGED, "audio begins on a page of the headers")
                if len(packets) == 1:
                    raise FormatError(Reason.COMMENT_DAMAGED, "there is none")
                return tuple(packets), page_count
        raise FormatError(Reason.DAMAGED, "it ends within the headers")


VORBIS = Ogg(name="ogg-vorbis", codec=VORBIS_CODEC)
OPUS = Ogg(name="ogg-opus", codec=OPUS_CODEC)
SPEEX = Ogg(name="ogg-speex", codec=SPEEX_CODEC)
OGG_FLAC = Ogg(name="ogg-flac", codec=FLAC_CODEC)


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


def _packets(found: tuple[Page, ...]) -> Iterator[tuple[Plan, int, bool]]:
    """Each packet, on how many pages it and those before it lie, and whether the last of them ends with it."""
    pieces: list[Segment] = []
    for page_count, page in enumerate(found, start=1):
        position = page.body_offset
        for number, length in enumerate(page.lacing, start=1):
            pieces.append(Copy(position, length))
            position += length
            if length < 255:
                yield tidy(pieces), page_count, number == len(page.lacing)
                pieces = []


def _read(file: BinaryIO, plan: Plan) -> bytes:
    parts = []
    for segment in plan:
        assert isinstance(segment, Copy)
        file.seek(segment.offset)
        parts.append(file.read(segment.length))
    return b"".join(parts)
