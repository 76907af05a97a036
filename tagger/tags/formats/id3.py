"""ID3v2.2, 2.3 and 2.4 tags, spliced frame by frame; shared by all containers that hold one.

Frames that are not ours are copied raw, in their order, and the tag keeps its version, flags and padding. A field that
stands already is replaced where it stands; a new one goes in front, because TagLib stops reading at a frame of size 0.
Before version 2.4 several values are one joined string (`Style.v23_separator`), and readers get them as that one value:
what was joined is not split again, so comparing with what was written means joining that too.

Format: https://id3.org/id3v2-00, https://id3.org/id3v2.3.0, https://id3.org/id3v2.4.0-structure and -frames.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tagger.tags.fields import STANDARD
from tagger.tags.formats.base import Carried, Copy, FormatError, Literal, Segment, Style
from tagger.tags.formats.id3_text import GENRE, GROUPING, TEXT, carried_values, create, synchsafe, text_frame
from tagger.tags.formats.id3_unsynchronised import View, synchronise, unsynchronise, view
from tagger.tags.refusals import Reason

HEADER_BYTES = 10  # of the tag
_MAX_TAG_BYTES = 1 << 28  # four bytes of seven bits
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10  # flags of a tag
_KEPT_FLAGS = {2: 0x80, 3: 0xE0, 4: 0xF0}
_FRAME_UNSYNCHRONISED, _FRAME_LENGTH_FIRST = 0x02, 0x01  # flags of a frame of version 2.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame as it is stored; `field` is ours ("genre", "mood", "grouping", TAGGER_*) or None for a foreign one."""

    field: str | None
    id: bytes
    description: str  # of a TXXX frame, in its own spelling
    offset: int  # in the file
    raw: bytes  # header included
    body: bytes  # as it is meant

    @property
    def empty(self) -> bool:
        return not self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag that can be spliced."""

    version: int  # 2, 3 or 4
    flags: int
    length: int  # bytes in the file: header, padding and footer included
    extended: bytes  # the extended header
    frames: tuple[Frame, ...]

    @property
    def foreign(self) -> tuple[bytes, ...]:
        return tuple(frame.raw for frame in self.frames if frame.field is None)

    @property
    def stored_whole(self) -> bool:
        """Whether all that follows the header is unsynchronised as one."""
        return self.version < 4 and bool(self.flags & _UNSYNCHRONISED)

    def stored(self, frame: bytes) -> bytes:
        """A frame of ours as it stands in this tag."""
        return unsynchronise(frame) if self.stored_whole else frame


NEW = Tag(version=4, flags=0, length=0, extended=b"", frames=())


def leading_tags(file: BinaryIO) -> list[tuple[int, int]]:
    """(offset, length) of the ID3v2 tags at the start of a file, stray `3DI` footers counted with the tag before."""
    tags: list[tuple[int, int]] = []
    position = 0
    while length := _tag_length(_read_at(file, position, HEADER_BYTES)):
        if _read_at(file, position + length, 3) == b"3DI":
            length += HEADER_BYTES
        tags.append((position, length))
        position += length
    return tags


def without_stray_footer(raw: bytes) -> bytes:
    """The tag at the start of `raw` alone: some programs clear the flag of a footer and leave its ten bytes."""
    return raw[: _tag_length(raw[:HEADER_BYTES])]


def parse(raw: bytes, offset: int) -> Tag:
    """The tag in `raw`, which stands at `offset` of the file. Raises FormatError where it cannot be spliced."""
    length = _tag_length(raw[:HEADER_BYTES])
    if not length:
        raise FormatError(Reason.ID3_DAMAGED, "no tag header")
    version, flags = raw[3], raw[5]
    if version not in _KEPT_FLAGS:
        raise FormatError(Reason.ID3_VERSION, f"2.{version}")
    if flags & ~_KEPT_FLAGS[version] or (version == 3 and flags & 0xC0 == 0xC0):
        raise FormatError(Reason.ID3_FLAGS, f"0x{flags:02x}")
    if length != len(raw):
        raise FormatError(Reason.ID3_DAMAGED, f"{length} bytes declared, {len(raw)} found")
    body = raw[HEADER_BYTES : len(raw) - HEADER_BYTES if flags & _FOOTER else len(raw)]
    seen = view(body) if version < 4 and flags & _UNSYNCHRONISED else View(body)
    extended = _extended_header(seen.data, version) if version > 2 and flags & _EXTENDED else b""
    frames = tuple(_frames(seen, body, len(extended), offset + HEADER_BYTES, version, flags))
    return Tag(version=version, flags=flags, length=length, extended=extended, frames=frames)


def splice(tag: Tag | None, changes: Mapping[str, Sequence[str]], style: Style, reserve: int) -> list[Segment]:
    """The new tag, header and padding included; a file without a tag gets version 2.4.

    Where the frames outgrow the old tag, `reserve` bytes of padding follow them; a footer stands for padding.
    """
    if tag is None and not any(changes.values()):
        return []
    old = tag or NEW
    front, body = _new_frames(old, changes, style)
    content = [*front, *body]
    footer = HEADER_BYTES if old.flags & _FOOTER else 0
    needed = HEADER_BYTES + len(old.extended) + sum(segment.length for segment in content) + footer
    length = needed if footer else old.length if needed <= old.length else needed + reserve
    size = length - HEADER_BYTES - footer
    if size >= _MAX_TAG_BYTES:
        raise FormatError(Reason.ID3_TOO_LARGE)
    header = bytes((old.version, 0, old.flags)) + synchsafe(size)
    padding = bytes(length - needed)
    extended = _with_padding(old.extended, old.version, len(padding))
    last = Literal(b"3DI" + header) if footer else Literal(padding)
    return [Literal(b"ID3" + header + extended), *content, last]


def carried(tag: Tag | None, older: Mapping[str, tuple[str, ...]]) -> Carried:
    """What a tag without frames, or a new one, takes over of what older tags say."""
    if tag and tag.frames:
        return Carried()
    new = tag or NEW
    values = {
        name: texts if name in STANDARD else carried_values(name, texts, new.version) for name, texts in older.items()
    }
    entries = (create(name, texts, new.version, Style()) for name, texts in values.items() if name not in STANDARD)
    return Carried(values=values, entries=tuple(new.stored(entry) for entry in entries))


def _extended_header(data: bytes, version: int) -> bytes:
    """The extended header; one that holds a checksum or restrictions is refused, for they would no longer hold."""
    if version == 3:
        length = 4 + int.from_bytes(data[:4], "big")
        kept = length == 10 and data[4:6] == b"\0\0"
    else:
        length = _from_synchsafe(data[:4]) or 0
        kept = length == 6 <= len(data) and data[4] == 1 and not data[5] & 0x30
    if len(data) < length or not kept:
        raise FormatError(Reason.ID3_FLAGS, "an extended header with a checksum or restrictions")
    return data[:length]


def _with_padding(extended: bytes, version: int, padding: int) -> bytes:
    """Version 2.3 states the padding's length in its extended header."""
    return extended[:6] + padding.to_bytes(4, "big") if version == 3 and extended else extended


def _new_frames(tag: Tag, changes: Mapping[str, Sequence[str]], style: Style) -> tuple[list[Segment], list[Segment]]:
    """What goes in front, and the old frames with the changed fields replaced in their places."""

    waiting = {name: values for name, values in changes.items() if values}
    body: list[Segment] = []
    hidden = False  # behind an empty frame
    for frame in tag.frames:
        hidden = hidden or frame.empty
        if frame.field not in changes:
            body.append(Copy(frame.offset, len(frame.raw)))
        elif frame.field in waiting and not hidden:
            body.append(Literal(tag.stored(_renew(frame, waiting.pop(frame.field), tag.version, style))))
    spelling = {frame.field: frame for frame in reversed(tag.frames) if frame.field in waiting}
    front: list[Segment] = []
    if tag.stored_whole and tag.frames and tag.frames[-1].raw.endswith(b"\xff"):
        body.append(Literal(b"\0"))  # else what follows could be taken for the start of an MPEG frame
    for name, values in waiting.items():
        old = spelling.get(name)
        made = _renew(old, values, tag.version, style) if old else create(name, values, tag.version, style)
        front.append(Literal(tag.stored(made)))
    return front, body


def _renew(old: Frame, values: Sequence[str], version: int, style: Style) -> bytes:
    description = old.description if old.id in TEXT else None
    return text_frame(old.id, description, values, version, style)


def _frames(seen: View, body: bytes, start: int, offset: int, version: int, flags: int) -> Iterator[Frame]:
    """The frames in `seen`, the meaning of `body`, which stands at `offset` of the file; the first at `start`."""
    data, position = seen.data, start
    header_bytes, name_bytes = (6, 3) if version == 2 else (10, 4)
    while position < len(data) and data[position]:
        frame_id = data[position : position + name_bytes]
        size = _frame_size(data[position + name_bytes : position + (6 if version == 2 else 8)], version)
        end = position + header_bytes + (size if size is not None else len(data))
        if not re.fullmatch(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 \0]?", frame_id) or end > len(data):
            raise FormatError(Reason.ID3_DAMAGED, f"frame {frame_id!r} at byte {offset + seen.stored_at(position)}")
        frame = data[position:end]
        description = _description(frame, version, flags) if frame_id in TEXT else ""
        at, behind = seen.stored_at(position), seen.stored_at(end - 1) + 1  # a zero behind it is the tag's, not its own
        yield Frame(
            field=_field(frame_id, description),
            id=frame_id,
            description=description,
            offset=offset + at,
            raw=body[at:behind],
            body=frame[header_bytes:],
        )
        position = end
    if data.count(0, position) != len(data) - position:
        raise FormatError(Reason.ID3_DAMAGED, f"padding that is not zero at byte {offset + seen.stored_at(position)}")


def _frame_size(field: bytes, version: int) -> int | None:
    return _from_synchsafe(field) if version == 4 else int.from_bytes(field, "big")


def _field(frame_id: bytes, description: str) -> str | None:
    if frame_id in GENRE:
        return "genre"
    if frame_id in GROUPING:
        return "grouping"
    if frame_id == b"TMOO" or description.upper() == "MOOD":
        return "mood"
    return description.upper() if description.upper().startswith("TAGGER_") else None


def _description(frame: bytes, version: int, flags: int) -> str:
    """The description of a TXXX frame; empty where it cannot be read, which leaves the frame foreign."""
    text = frame[6:] if version == 2 else frame[10:]
    how = frame[9] if version > 2 else 0
    if version == 4:
        if how & _FRAME_LENGTH_FIRST:
            text = text[4:]
        if (how | flags >> 6) & _FRAME_UNSYNCHRONISED:
            text = synchronise(text)
        how &= ~(_FRAME_LENGTH_FIRST | _FRAME_UNSYNCHRONISED)
    encoding, text = text[:1], text[1:]
    if how or not encoding or encoding[0] >= len(_ENCODINGS):  # compressed, encrypted, grouped
        return ""
    if encoding[0] in (1, 2):
        end = next((i for i in range(0, len(text) - 1, 2) if text[i : i + 2] == b"\0\0"), len(text) & ~1)
    else:
        end = len(text.split(b"\0", 1)[0])
    return text[:end].decode(_ENCODINGS[encoding[0]], errors="replace")


def _tag_length(header: bytes) -> int:
    """Bytes of the tag that begins with this header, footer included; 0 where it begins none."""
    if len(header) < HEADER_BYTES or not header.startswith(b"ID3") or 0xFF in header[3:5]:
        return 0
    size = _from_synchsafe(header[6:10])
    if size is None:
        return 0
    footer = HEADER_BYTES if header[3] >= 4 and header[5] & _FOOTER else 0
    return HEADER_BYTES + size + footer


def _from_synchsafe(field: bytes) -> int | None:
    if len(field) < 4 or any(byte & 0x80 for byte in field):
        return None
    return field[0] << 21 | field[1] << 14 | field[2] << 7 | field[3]


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
