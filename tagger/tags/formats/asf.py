"""WMA and ASF: attributes are spliced one by one; padding in the header gives way, so that the audio need not move.

Several genres or moods are attributes of the same name, all in the Extended Content Description Object: that is the
one place from which both TagLib and mutagen give them in their order (the Metadata Library, where other programs put
the second and further ones, stands sometimes before and sometimes behind it). FFmpeg shows the last of them. Several
values of a TAGGER_* field are one joined value.

Format: https://exse.eyewated.com/fls/54b3ed95bbfb1a92.pdf (Advanced Systems Format, revision 01.20.05)
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.formats.asf_objects import (
    EXTENDED_DESCRIPTION,
    EXTENSION,
    EXTENSION_HEAD_BYTES,
    FILE_PROPERTIES,
    HEAD_BYTES,
    HEADER,
    HOLDERS,
    NAMES,
    PADDING,
    PROTECTION,
    UNICODE,
    AsfObject,
    Header,
    packets,
    read_header,
)
from tagger.tags.formats.asf_values import (
    FILE_SIZE_AT,
    declared_size,
    has_short_stream,
    is_encrypted,
    length_seconds,
    sound,
    values,
)
from tagger.tags.formats.base import PADDING_BYTES, Content, Copy, FormatError, Literal, Plan, Segment, Style
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason
from tagger.tags.splice import size, tidy

_MOST_VALUE_BYTES = _MOST_ATTRIBUTES = 0xFFFF


@dataclass(frozen=True, slots=True)
class Asf:
    name: str = "asf"
    suffixes: tuple[bytes, ...] = (b".wma", b".asf")

    def matches(self, head: bytes) -> bool:
        return head.startswith(HEADER)

    def read(self, file: BinaryIO) -> Content:
        tags, refusal = TagValues(), None
        foreign: tuple[bytes, ...] = ()
        codec, seconds, channels = "wma", None, None
        try:
            header = read_header(file)
            tags = values(header)
            foreign = tuple(_foreign(header))
            seconds = length_seconds(header)
            codec, channels = sound(header)
            _check(file, header)
        except FormatError as error:
            refusal = error.refused()
        return Content(
            tags=tags,
            foreign=foreign,
            codec=codec,
            length_seconds=seconds,
            channels=channels,
            refusal=refusal,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        header = read_header(file)
        _check(file, header)
        padding = next((one for one in header.all_objects if _is_free(header, one)), None)
        new = _with_room(
            _NewHeader(
                header=header,
                values={name: _rendered(name, given, style) for name, given in changes.items()},
                holder=header.find(EXTENDED_DESCRIPTION),
                padding=padding,
                padding_bytes=padding.length if padding else 0,
                file_size=None,
            )
        )
        size_bytes = file.seek(0, os.SEEK_END)
        growth = size(new.plan()) - header.length
        if growth and declared_size(header) == size_bytes:
            new = replace(new, file_size=size_bytes + growth)
        return tidy((*new.plan(), Copy(header.length, size_bytes - header.length)))

    def identity(self, file: BinaryIO) -> str:
        """Over the packets, without the ID in front of them, which other programs change; else over the whole file."""
        try:
            place = packets(file, read_header(file))
        except FormatError:
            place = (0, file.seek(0, os.SEEK_END))
        return identity_of_ranges(file, [place])


ASF = Asf()


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewHeader:
    """The header over the old one, object by object; what is appended stands behind the last."""

    header: Header
    values: Mapping[str, tuple[bytes, ...]]  # field -> its rendered attributes
    holder: AsfObject | None  # which takes ours; None for a new one
    padding: AsfObject | None  # which gives way; None for a new one
    padding_bytes: int  # with its head; 0 for none
    file_size: int | None  # to be declared; None to leave what is

    def plan(self) -> Plan:
        plans = [self._object(one) for one in self.header.objects]
        if self.holder is None and (own := [data for rendered in self.values.values() for data in rendered]):
            plans.append(_resized((Literal(EXTENDED_DESCRIPTION),), _counted([Literal(data) for data in own])))
        if self.padding is None and self.padding_bytes:
            plans.append(_resized((Literal(PADDING),), (Literal(bytes(self.padding_bytes - HEAD_BYTES)),)))
        filled = [plan for plan in plans if plan]
        body = tuple(segment for plan in filled for segment in plan)
        count = Literal(len(filled).to_bytes(4, "little"))
        return _resized((Copy(0, 16),), (count, Copy(28, 2), *body))

    def _object(self, one: AsfObject) -> Plan:
        guid = (Copy(one.offset, 16),)
        if one == self.padding:
            return self._padding(one)
        if one.guid in HOLDERS:
            return _resized(guid, self._attributes(one))
        if one.guid == EXTENSION:
            inner = tuple(segment for child in one.inner for segment in self._object(child))
            length = Literal(size(inner).to_bytes(4, "little"))
            return _resized(guid, (Copy(one.body, EXTENSION_HEAD_BYTES - HEAD_BYTES - 4), length, *inner))
        if one.guid == FILE_PROPERTIES and self.file_size is not None:
            behind = FILE_SIZE_AT + 8
            declared = Literal(self.file_size.to_bytes(8, "little"))
            return Copy(one.offset, FILE_SIZE_AT), declared, Copy(one.offset + behind, one.length - behind)
        return (Copy(one.offset, one.length),)

    def _padding(self, one: AsfObject) -> Plan:
        if not self.padding_bytes:
            return ()
        kept = min(one.length, self.padding_bytes)
        zeros = Literal(bytes(self.padding_bytes - kept))
        return _resized((Copy(one.offset, 16),), (Copy(one.body, kept - HEAD_BYTES), zeros))

    def _attributes(self, holder: AsfObject) -> Plan:
        """Foreign ones copied, ours in their places in the holder of ours, new ones behind, and gone elsewhere."""
        found = self.header.attributes[holder.guid]
        waiting = dict(self.values) if holder == self.holder else {}
        segments: list[Segment] = []
        for attribute in found:
            if attribute.field not in self.values:
                segments.append(Copy(attribute.offset, attribute.length))
            elif attribute.field in waiting:
                segments += map(Literal, waiting.pop(attribute.field))
        segments += [Literal(data) for rendered in waiting.values() for data in rendered]
        end = found[-1].end if found else holder.body + 2
        return (*_counted(segments), Copy(end, holder.end - end))


def _with_room(new: _NewHeader) -> _NewHeader:
    """The same with as much padding as keeps the audio in its place; where that cannot be, with more than there was."""
    room = new.padding_bytes + new.header.length - size(new.plan())
    if room != 0 and room < HEAD_BYTES:
        room = new.padding_bytes + PADDING_BYTES
    return replace(new, padding_bytes=room)


def _resized(guid: Plan, body: Plan) -> Plan:
    """An object of this content."""
    return (*guid, Literal((HEAD_BYTES + size(body)).to_bytes(8, "little")), *body)


def _counted(entries: list[Segment]) -> Plan:
    """Attributes, each a segment of its own, behind their number."""
    if len(entries) > _MOST_ATTRIBUTES:
        raise FormatError(Reason.ASF_TOO_LARGE)
    return (Literal(len(entries).to_bytes(2, "little")), *entries)


def _rendered(field: str, values: tuple[str, ...], style: Style) -> tuple[bytes, ...]:
    """The attributes of a field, for the Extended Content Description."""
    if field not in NAMES and values:
        values = (style.v23_separator.join(values),)
    name = _utf16(NAMES.get(field, field))
    texts = [_utf16(value) for value in values]
    if any(len(text) > _MOST_VALUE_BYTES for text in texts):
        raise FormatError(Reason.ASF_TOO_LARGE, field)
    return tuple(struct.pack("<H", len(name)) + name + struct.pack("<HH", UNICODE, len(text)) + text for text in texts)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def _is_free(header: Header, one: AsfObject) -> bool:
    """Padding that holds nothing but zeros; whatever else somebody put there is kept."""
    return one.guid == PADDING and not header.raw(one.body, one.end).strip(b"\0")


def _check(file: BinaryIO, header: Header) -> None:
    """Raises FormatError where the header may not change, or its sound is not there."""
    if any(one.guid in PROTECTION for one in header.all_objects):
        raise FormatError(Reason.ASF_PROTECTED)
    if is_encrypted(header):
        raise FormatError(Reason.ASF_PROTECTED, "an encrypted stream")
    declared_size(header)
    sound(header)
    if has_short_stream(header):
        raise FormatError(Reason.ASF_STREAM)
    packets(file, header)


def _foreign(header: Header) -> Iterator[bytes]:
    """Every object and attribute that is not ours, raw, without the sizes that follow our changes."""
    for one in header.objects:
        if one.guid == EXTENSION:
            yield header.raw(one.body, one.body + EXTENSION_HEAD_BYTES - HEAD_BYTES - 4)
        for part in one.inner or (one,):
            if part.guid in HOLDERS:
                yield from _foreign_attributes(header, part)
            elif part.guid == FILE_PROPERTIES:
                at = part.offset + FILE_SIZE_AT
                yield header.raw(part.offset, at) + header.raw(at + 8, part.end)
            elif part.guid != EXTENSION and not _is_free(header, part):
                yield header.raw(part.offset, part.end)


def _foreign_attributes(header: Header, holder: AsfObject) -> Iterator[bytes]:
    found = header.attributes[holder.guid]
    yield from (header.raw(one.offset, one.end) for one in found if one.field is None)
    if rest := header.raw(found[-1].end if found else holder.body + 2, holder.end):
        yield rest
