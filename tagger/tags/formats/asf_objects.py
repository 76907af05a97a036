"""The objects of an ASF header, and the attributes in those of them that hold tags.

Offsets count from the start of the file. The header is read as a whole, once its declared size is known to be there.

Format: https://exse.eyewated.com/fls/54b3ed95bbfb1a92.pdf (Advanced Systems Format, revision 01.20.05)
"""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO
from uuid import UUID

from tagger.tags.fields import PREFIX
from tagger.tags.formats.base import FormatError
from tagger.tags.refusals import Reason

HEADER = UUID("75B22630-668E-11CF-A6D9-00AA0062CE6C").bytes_le
DATA = UUID("75B22636-668E-11CF-A6D9-00AA0062CE6C").bytes_le
FILE_PROPERTIES = UUID("8CABDCA1-A947-11CF-8EE4-00C00C205365").bytes_le
STREAM_PROPERTIES = UUID("B7DC0791-A9B7-11CF-8EE6-00C00C205365").bytes_le
EXTENSION = UUID("5FBF03B5-A92E-11CF-8EE3-00C00C205365").bytes_le
PADDING = UUID("1806D474-CADF-4509-A4BA-9AABCB96AAE8").bytes_le
DESCRIPTION = UUID("75B22633-668E-11CF-A6D9-00AA0062CE6C").bytes_le
EXTENDED_DESCRIPTION = UUID("D2D0A440-E307-11D2-97F0-00A0C95EA850").bytes_le
METADATA = UUID("C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA").bytes_le
METADATA_LIBRARY = UUID("44231C94-9498-49D1-A141-1D134E457054").bytes_le
HOLDERS = (EXTENDED_DESCRIPTION, METADATA, METADATA_LIBRARY)
"""What holds attributes, in the order in which their values count: the first of several is in the first."""

_ONCE = (FILE_PROPERTIES, EXTENSION, DESCRIPTION, *HOLDERS)
"""What stands in a header no more than once."""

PROTECTION = frozenset(
    UUID(name).bytes_le
    for name in (
        "2211B3FB-BD23-11D2-B4B7-00A0C955FC6E",  # Content Encryption
        "298AE614-2622-4C17-B935-DAE07EE9289C",  # Extended Content Encryption
        "43058533-6981-49E6-9B74-AD12CB86D58C",  # Advanced Content Encryption
        "2211B3FC-BD23-11D2-B4B7-00A0C955FC6E",  # Digital Signature, which signs the header
    )
)

NAMES = {"genre": "WM/Genre", "mood": "WM/Mood", "grouping": "WM/ContentGroupDescription"}
"""The standard fields, by the attribute that holds each."""

_FIELDS = {"GENRE": "genre", "MOOD": "mood"} | {name.upper(): field for field, name in NAMES.items()}
"""Fields by the names, in upper case, under which they are found: FFmpeg and players show the bare ones just so."""

UNICODE = 0
"""The type of an attribute whose value is text, UTF-16LE with a NUL behind it."""

HEAD_BYTES = 24  # GUID and size, in front of every object
HEADER_HEAD_BYTES = 30
EXTENSION_HEAD_BYTES = 46
_DATA_HEAD_BYTES = 26  # behind its size: an ID of the file, the number of packets, two reserved bytes
_MOST_HEADER_BYTES = 1 << 28
_MOST_OBJECTS = 1_000  # in a row; the files of known encoders have less than a hundred
_DESCRIPTION_NAMES = ("Title", "Author", "Copyright", "Description", "Rating")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsfObject:
    """One object; `inner` are those of a Header Extension."""

    guid: bytes
    offset: int
    length: int  # with its head
    inner: tuple["AsfObject", ...] = ()

    @property
    def body(self) -> int:
        return self.offset + HEAD_BYTES

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    offset: int
    length: int
    name: str
    kind: int  # UNICODE or one of the other types
    value: bytes

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def text(self) -> str:
        return _text(self.value)

    @property
    def field(self) -> str | None:
        """The field of ours that the attribute holds, None for a foreign one."""
        name = self.name.upper()
        return name if name.startswith(PREFIX) else _FIELDS.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header with its bytes; the Data Object begins at its end."""

    content: bytes
    objects: tuple[AsfObject, ...]
    attributes: Mapping[bytes, tuple[Attribute, ...]]  # of each of HOLDERS that is there

    @property
    def length(self) -> int:
        return len(self.content)

    @property
    def all_objects(self) -> Iterator[AsfObject]:
        """Those of the Header Extension in its place."""
        for one in self.objects:
            yield from one.inner or (one,)

    def raw(self, start: int, stop: int) -> bytes:
        return self.content[start:stop]

    def find(self, guid: bytes) -> AsfObject | None:
        return next((one for one in self.all_objects if one.guid == guid), None)


def read_header(file: BinaryIO) -> Header:
    """The header of a file, its attributes with it.

    Raises FormatError where its objects do not fill it, are not as many as it says, or run past each other.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(HEADER_HEAD_BYTES)
    if len(head) < HEADER_HEAD_BYTES or head[:16] != HEADER:
        raise FormatError(Reason.DAMAGED, "no ASF header at its start")
    length, count = struct.unpack_from("<QI", head, 16)
    if not HEADER_HEAD_BYTES <= length <= min(size_bytes, _MOST_HEADER_BYTES):
        raise FormatError(Reason.DAMAGED, f"a header of {length} bytes in {size_bytes}")
    content = head + file.read(length - HEADER_HEAD_BYTES)
    objects = tuple(
        _extended(content, one) if one.guid == EXTENSION else one
        for one in _objects(content, HEADER_HEAD_BYTES, length)
    )
    if len(objects) != count:
        raise FormatError(Reason.DAMAGED, f"{count} objects declared, {len(objects)} found")
    every = (*objects, *(inner for one in objects for inner in one.inner))
    guids = [one.guid for one in every]
    if any(guids.count(guid) > 1 for guid in _ONCE):
        raise FormatError(Reason.ASF_TWICE)
    held = {one.guid: _attributes(content, one) for one in every if one.guid in HOLDERS}
    return Header(content=content, objects=objects, attributes=held)


def packets(file: BinaryIO, header: Header) -> tuple[int, int]:
    """Where the packets of the Data Object begin and end, which follows the header.

    Raises FormatError where it is not there, runs past the end, or has another header or Data Object behind it.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    found = _head(file, header.length)
    if found is None or found.guid != DATA:
        raise FormatError(Reason.DAMAGED, "no data object behind the header")
    if not HEAD_BYTES + _DATA_HEAD_BYTES <= found.length <= size_bytes - found.offset:
        raise FormatError(Reason.DAMAGED, f"{found.end} bytes declared, {size_bytes} found")
    position = found.end
    for _ in range(_MOST_OBJECTS):
        behind = _head(file, position)
        if behind and behind.guid in (HEADER, DATA):
            raise FormatError(Reason.ASF_TWICE)
        if behind is None or not HEAD_BYTES <= behind.length <= size_bytes - position:  # no object: it stays as it is
            return found.body + _DATA_HEAD_BYTES, found.end
        position = behind.end
    raise FormatError(Reason.DAMAGED, f"more than {_MOST_OBJECTS} objects behind the data")


def descriptions(header: Header) -> Iterator[tuple[str, str]]:
    """Name and text of the five fixed entries of the Content Description, as far as they are there."""
    holder = header.find(DESCRIPTION)
    if holder is None or holder.length < HEAD_BYTES + 10:
        return
    body = header.raw(holder.body, holder.end)
    lengths: Sequence[int] = struct.unpack_from("<5H", body)
    for name, start, length in zip(_DESCRIPTION_NAMES, accumulate(lengths, initial=10), lengths, strict=False):
        if text := _text(body[start : start + length]):
            yield name, text


def _objects(content: bytes, start: int, stop: int) -> Iterator[AsfObject]:
    position = start
    for _ in range(_MOST_OBJECTS):
        if position == stop:
            return
        length = int.from_bytes(content[position + 16 : position + HEAD_BYTES], "little")
        if stop - position < HEAD_BYTES or not HEAD_BYTES <= length <= stop - position:
            raise FormatError(Reason.DAMAGED, f"the header's object at byte {position} runs past its end")
        guid = content[position : position + 16]
        if guid in (HEADER, DATA):
            raise FormatError(Reason.ASF_TWICE)
        yield AsfObject(guid=guid, offset=position, length=length)
        position += length
    raise FormatError(Reason.DAMAGED, f"more than {_MOST_OBJECTS} objects in the header")


def _extended(content: bytes, one: AsfObject) -> AsfObject:
    """A Header Extension with what is in it."""
    start = one.offset + EXTENSION_HEAD_BYTES
    declared = int.from_bytes(content[start - 4 : start], "little")
    if start + declared != one.end:
        raise FormatError(Reason.DAMAGED, "a header extension whose sizes disagree")
    inner = tuple(_objects(content, start, one.end))
    return AsfObject(guid=one.guid, offset=one.offset, length=one.length, inner=inner)


def _head(file: BinaryIO, offset: int) -> AsfObject | None:
    file.seek(offset)
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    return AsfObject(guid=head[:16], offset=offset, length=int.from_bytes(head[16:], "little"))


def _attributes(content: bytes, holder: AsfObject) -> tuple[Attribute, ...]:
    """Raises FormatError where one runs past its object."""
    position = holder.body + 2
    if position > holder.end:
        raise FormatError(Reason.DAMAGED, "an object without its number of attributes")
    count = int.from_bytes(content[holder.body : position], "little")
    found: list[Attribute] = []
    for number in range(count):
        attribute = _attribute(content, holder, position)
        if attribute is None or attribute.end > holder.end:
            raise FormatError(Reason.DAMAGED, f"attribute {number + 1} of {count} runs past its object")
        found.append(attribute)
        position = attribute.end
    return tuple(found)


def _attribute(content: bytes, holder: AsfObject, position: int) -> Attribute | None:
    """None where there is no room for its lengths."""
    if holder.guid == EXTENDED_DESCRIPTION:
        name_length = int.from_bytes(content[position : position + 2], "little")
        name_at = position + 2
        if name_at + name_length + 4 > holder.end:
            return None
        kind, value_length = struct.unpack_from("<HH", content, name_at + name_length)
        value_at = name_at + name_length + 4
    else:
        name_at = position + 12
        if name_at > holder.end:
            return None
        name_length, kind, value_length = struct.unpack_from("<HHI", content, position + 4)
        value_at = name_at + name_length
    return Attribute(
        offset=position,
        length=value_at + value_length - position,
        name=_text(content[name_at : name_at + name_length]),
        kind=kind,
        value=content[value_at : value_at + value_length],
    )


def _text(data: bytes) -> str:
    return data.decode("utf-16-le", "replace").rstrip("\0")
