"""FLAC: metadata blocks, then frames. Only the Vorbis comment and the padding change; all other blocks are copied.

An ID3v2 tag in front and tags at the end, which some taggers leave there, stay as they are.

Format: https://www.rfc-editor.org/rfc/rfc9639
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.fields import speaks_for_itself
from tagger.tags.formats import id3, id3_values, older, vorbis_comment
from tagger.tags.formats.base import PADDING_BYTES, Carried, Content, Copy, FormatError, Literal, Plan, Segment, Style
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.formats.tails import Tail, find_tail
from tagger.tags.refusals import Reason
from tagger.tags.splice import cut, size, tidy

_STREAMINFO, _PADDING, _COMMENT = 0, 1, 4
_MAX_BLOCK_BYTES = (1 << 24) - 1
_STREAMINFO_BYTES = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    type: int
    body: Plan  # over the file

    @property
    def size_bytes(self) -> int:
        return size(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    start: int  # of "fLaC"
    blocks: tuple[_Block, ...]
    audio_start: int
    tail: Tail
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Flac:
    name: str = "flac"
    suffixes: tuple[bytes, ...] = (b".flac", b".fla")

    def matches(self, head: bytes) -> bool:
        return head.startswith(b"fLaC")

    def read(self, file: BinaryIO) -> Content:
        try:
            layout = _layout(file)
        except FormatError as error:
            return Content(
                tags=TagValues(),
                foreign=(),
                codec="flac",
                length_seconds=None,
                channels=None,
                refusal=error.refused(),
            )
        length_seconds, channels = _stream(_body(file, layout.blocks[0]))
        tags, refusal, carried = TagValues(), None, Carried()
        entries: tuple[bytes, ...] = ()
        try:
            comment = _comment(file, layout)
            tags, entries = comment.values(), comment.foreign
            for later in _later_comments(file, layout):
                tags = id3_values.filled(tags, replace(later.values(), own={}))
            tags = _with_other_tags(file, layout, tags)
            carried = _carried(file, layout, comment)
        except FormatError as error:
            refusal = error.refused()
        return Content(
            tags=tags,
            foreign=(*_other_blocks(file, layout), *entries),
            codec="flac",
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
            carried=carried,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        layout = _layout(file)
        comment = _comment(file, layout)
        for later in _later_comments(file, layout):
            if any(entry.field in changes and speaks_for_itself(entry.field) for entry in later.entries):
                raise FormatError(Reason.COMMENT_TWICE)
        blocks = list(layout.blocks)
        place = _place(blocks, _COMMENT)
        old_body: Plan = (Literal(vorbis_comment.EMPTY),) if place is None else blocks[place].body
        new_body = list(_over(old_body, vorbis_comment.splice(comment, changes)))
        new_body += cut(old_body, comment.end, size(old_body) - comment.end)  # what stands behind the last entry
        block = _Block(type=_COMMENT, body=tidy(new_body))
        if block.size_bytes > _MAX_BLOCK_BYTES:
            raise FormatError(Reason.COMMENT_TOO_LARGE)
        if place is None:
            blocks.insert(1, block)
        else:
            blocks[place] = block
        return _assemble(layout, _fit(file, blocks, layout))

    def identity(self, file: BinaryIO) -> str:
        """Over STREAMINFO and the frames; in a file whose blocks do not hold together, over all behind "fLaC"."""
        try:
            layout = _layout(file)
        except FormatError:
            start = _start(file)
            return identity_of_ranges(file, [(start, _stop(file, start))])
        info = layout.start + 8
        return identity_of_ranges(file, [(info, info + _STREAMINFO_BYTES), (layout.audio_start, layout.tail.start)])


FLAC = Flac()


def _stop(file: BinaryIO, start: int) -> int:
    """Where the tail begins; the end of the file where it cannot be told."""
    size_bytes = file.seek(0, os.SEEK_END)
    try:
        return find_tail(file, start, size_bytes).start
    except FormatError:
        return size_bytes


def _with_other_tags(file: BinaryIO, layout: _Layout, values: TagValues) -> TagValues:
    """Players show what other tags say where there is no comment; they are never written."""
    others = [id3_values.read_tag(raw) for raw in _leading_tags(file)]
    if layout.tail.offset("ape") is not None:
        others.append(id3_values.read_ape(file))
    others += [id3_values.read_id3v1(raw) for raw in layout.tail.read(file, "id3v1")]
    for other in others:
        values = id3_values.filled(values, replace(other, own={}))
    return values


def _leading_tags(file: BinaryIO) -> Iterator[bytes]:
    for offset, length in id3.leading_tags(file):
        file.seek(offset)
        yield file.read(length)


def _carried(file: BinaryIO, layout: _Layout, comment: vorbis_comment.Comment) -> Carried:
    """Players go by tags in front and at the end only where the comment is empty."""
    if comment.entries:
        return Carried()
    return vorbis_comment.carried(comment, older.of_file(file, _leading_tags(file), layout.tail))


def _start(file: BinaryIO) -> int:
    tags = id3.leading_tags(file)
    return sum(tags[-1]) if tags else 0


def _layout(file: BinaryIO) -> _Layout:
    """Raises FormatError where the blocks do not lead to the first frame."""
    size_bytes = file.seek(0, os.SEEK_END)
    start = _start(file)
    position = start + 4
    blocks: list[_Block] = []
    last = False
    while not last:
        file.seek(position)
        header = file.read(4)
        length = int.from_bytes(header[1:], "big")
        if len(header) < 4 or position + 4 + length > size_bytes:
            raise FormatError(Reason.DAMAGED, f"metadata block {len(blocks) + 1} runs past the end")
        last = bool(header[0] & 0x80)
        blocks.append(_Block(type=header[0] & 0x7F, body=(Copy(position + 4, length),)))
        position += 4 + length
    file.seek(position)
    sync = file.read(2)
    if sync and (len(sync) < 2 or sync[0] != 0xFF or sync[1] & 0xFC != 0xF8):
        raise FormatError(Reason.DAMAGED, "no frame behind the last metadata block")
    if blocks[0].type != _STREAMINFO or blocks[0].size_bytes != _STREAMINFO_BYTES:
        raise FormatError(Reason.DAMAGED, "STREAMINFO is not the first block")
    return _Layout(
        start=start,
        blocks=tuple(blocks),
        audio_start=position,
        tail=find_tail(file, position, size_bytes),
        size_bytes=size_bytes,
    )


def _body(file: BinaryIO, block: _Block) -> bytes:
    segment = block.body[0]
    if isinstance(segment, Literal):
        return segment.data
    file.seek(segment.offset)
    return file.read(segment.length)


def _place(blocks: Sequence[_Block], block_type: int) -> int | None:
    return next((index for index, block in enumerate(blocks) if block.type == block_type), None)


def _comment(file: BinaryIO, layout: _Layout) -> vorbis_comment.Comment:
    """The first comment of the file, the one that TagLib and mutagen show; a second one is a foreign block."""
    place = _place(layout.blocks, _COMMENT)
    return vorbis_comment.parse(vorbis_comment.EMPTY if place is None else _body(file, layout.blocks[place]))


def _later_comments(file: BinaryIO, layout: _Layout) -> list[vorbis_comment.Comment]:
    """Those behind the first, which FFmpeg shows as well."""
    blocks = [block for block in layout.blocks if block.type == _COMMENT]
    return [vorbis_comment.parse(_body(file, block)) for block in blocks[1:]]


def _other_blocks(file: BinaryIO, layout: _Layout) -> tuple[bytes, ...]:
    """Type and body of every block but padding and the comment."""
    comment = _place(layout.blocks, _COMMENT)
    return tuple(
        bytes((block.type,)) + _body(file, block)
        for index, block in enumerate(layout.blocks)
        if index != comment and block.type != _PADDING
    )


def _over(old: Plan, plan: Plan) -> list[Segment]:
    """A plan over the block `old` as a plan over the file."""
    segments: list[Segment] = []
    for segment in plan:
        segments += [segment] if isinstance(segment, Literal) else cut(old, segment.offset, segment.length)
    return segments


def _fit(file: BinaryIO, blocks: list[_Block], layout: _Layout) -> list[_Block]:
    """The blocks with the padding changed so that the audio stays where it is, or moves once and has room then."""
    growth = sum(4 + block.size_bytes for block in blocks) - sum(4 + block.size_bytes for block in layout.blocks)
    if growth == 0:
        return blocks
    places = [index for index, block in enumerate(blocks) if block.type == _PADDING and not any(_body(file, block))]
    place = max(places, key=lambda index: blocks[index].size_bytes, default=None)
    old = blocks[place].size_bytes if place is not None else 0
    fits = place is not None and 0 <= old - growth <= _MAX_BLOCK_BYTES
    padding = _Block(type=_PADDING, body=(Literal(bytes(old - growth if fits else max(old, PADDING_BYTES))),))
    if place is None:
        return [*blocks, padding]
    return [*blocks[:place], padding, *blocks[place + 1 :]]


def _assemble(layout: _Layout, blocks: Sequence[_Block]) -> Plan:
    segments: list[Segment] = [Copy(0, layout.start + 4)]
    for index, block in enumerate(blocks):
        last = 0x80 if index == len(blocks) - 1 else 0
        segments.append(Literal(bytes((last | block.type,)) + block.size_bytes.to_bytes(3, "big")))
        segments += block.body
    return tidy((*segments, Copy(layout.audio_start, layout.size_bytes - layout.audio_start)))


def _stream(streaminfo: bytes) -> tuple[float | None, int]:
    """Declared length in seconds (None where it is not declared) and channels."""
    packed = int.from_bytes(streaminfo[10:18], "big")
    rate_hz, channels, samples = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    return (samples / rate_hz if samples and rate_hz else None), channels
