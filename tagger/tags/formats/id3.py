"""ID3v2.3 and 2.4 tags, spliced frame by frame; shared by MP3, WAV and AIFF.

Frames that are not ours are copied raw, in their order, and the tag keeps its version, header and padding. A field that
stands already is replaced where it stands; a new one goes in front, because TagLib stops reading at a frame of size 0.
Version 2.3 holds several values as one joined string (`Style.v23_separator`), and readers get them as that one value:
what was joined is not split again, so comparing with what was written means joining that too.

Format: https://id3.org/id3v2.3.0, https://id3.org/id3v2.4.0-structure and -frames.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tagger.tags.formats.base import Copy, FormatError, Literal, Segment, Style
from tagger.tags.refusals import Reason

HEADER_BYTES = 10  # of the tag and, alike, of each frame
_MAX_TAG_BYTES = 1 << 28  # four bytes of seven bits
_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{3}")
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_FLAG_FOOTER = 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of the file, header included; `field` is ours ("genre", "mood", TAGGER_*) or None for a foreign one."""

    field: str | None
    id: bytes
    description: str  # of a TXXX frame, in its own spelling
    offset: int  # in the file
    raw: bytes

    @property
    def empty(self) -> bool:
        return len(self.raw) == HEADER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag that can be spliced."""

    version: int  # 3 or 4
    length: int  # bytes in the file, header and padding included
    frames: tuple[Frame, ...]

    @property
    def foreign(self) -> tuple[bytes, ...]:
        return tuple(frame.raw for frame in self.frames if frame.field is None)


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


def parse(raw: bytes, offset: int) -> Tag:
    """The tag in `raw`, which stands at `offset` of the file. Raises FormatError where it cannot be spliced."""
    length = _tag_length(raw[:HEADER_BYTES])
    if not length:
        raise FormatError(Reason.ID3_DAMAGED, "no tag header")
    version, flags = raw[3], raw[5]
    if version not in (3, 4):
        raise FormatError(Reason.ID3_VERSION, f"2.{version}")
    if flags:
        raise FormatError(Reason.ID3_FLAGS, f"0x{flags:02x}")
    if length != len(raw):
        raise FormatError(Reason.ID3_DAMAGED, f"{length} bytes declared, {len(raw)} found")
    return Tag(version=version, length=length, frames=tuple(_frames(raw, offset, version)))


def splice(tag: Tag | None, changes: Mapping[str, Sequence[str]], style: Style, reserve: int) -> list[Segment]:
    """The new tag, header and padding included; a file without a tag gets version 2.4.

    Where the frames outgrow the old tag, `reserve` bytes of padding follow them.
    """
    version, old_length, frames = (tag.version, tag.length, tag.frames) if tag else (4, 0, ())
    if tag is None and not any(changes.values()):
        return []
    front, body = _new_frames(version, frames, changes, style)
    content = [*front, *body]
    needed = HEADER_BYTES + sum(segment.length for segment in content)
    length = old_length if needed <= old_length else needed + reserve
    if length - HEADER_BYTES >= _MAX_TAG_BYTES:
        raise FormatError(Reason.ID3_TOO_LARGE)
    header = b"ID3" + bytes((version, 0, 0)) + _synchsafe(length - HEADER_BYTES)
    return [Literal(header), *content, Literal(bytes(length - needed))]


def _new_frames(
    version: int, frames: Sequence[Frame], changes: Mapping[str, Sequence[str]], style: Style
) -> tuple[list[Segment], list[Segment]]:
    """What goes in front, and the old frames with the changed fields replaced in their places."""
    waiting = {name: values for name, values in changes.items() if values}
    body: list[Segment] = []
    hidden = False  # behind an empty frame
    for frame in frames:
        hidden = hidden or frame.empty
        if frame.field not in changes:
            body.append(Copy(frame.offset, len(frame.raw)))
        elif frame.field in waiting and not hidden:
            body.append(Literal(_renew(frame, waiting.pop(frame.field), version, style)))
    spelling = {frame.field: frame for frame in reversed(frames) if frame.field in waiting}
    front: list[Segment] = []
    for name, values in waiting.items():
        old = spelling.get(name)
        raw = _renew(old, values, version, style) if old else _create(name, values, version, style)
        front.append(Literal(raw))
    return front, body


def _renew(old: Frame, values: Sequence[str], version: int, style: Style) -> bytes:
    description = old.description if old.id == b"TXXX" else None
    return _text_frame(old.id, description, values, version, style)


def _create(name: str, values: Sequence[str], version: int, style: Style) -> bytes:
    if name == "genre":
        return _text_frame(b"TCON", None, values, version, style)
    if name == "mood" and (version == 4 or style.v23_mood == "TMOO"):
        return _text_frame(b"TMOO", None, values, version, style)
    return _text_frame(b"TXXX", "MOOD" if name == "mood" else name, values, version, style)


def _text_frame(frame_id: bytes, description: str | None, values: Sequence[str], version: int, style: Style) -> bytes:
    if frame_id == b"TCON":  # a leading parenthesis would be read as a numeric reference
        values = ["(" + value if value.startswith("(") else value for value in values]
    text = ("\0" if version == 4 else style.v23_separator).join(values)
    if description is not None:
        text = f"{description}\0{text}"
    if all(char < "\u0100" for char in text):
        body = b"\0" + text.encode("latin-1")
    elif version == 4:
        body = b"\3" + text.encode("utf-8")
    else:  # each string begins with a byte order mark of its own
        strings = text.split("\0", 1) if description is not None else [text]
        body = b"\1" + b"\0\0".join(b"\xff\xfe" + string.encode("utf-16-le") for string in strings)
    size = _synchsafe(len(body)) if version == 4 else len(body).to_bytes(4, "big")
    return frame_id + size + b"\0\0" + body


def _frames(raw: bytes, offset: int, version: int) -> Iterator[Frame]:
    position = HEADER_BYTES
    while position < len(raw) and raw[position]:
        frame_id, size_field = raw[position : position + 4], raw[position + 4 : position + 8]
        size = _from_synchsafe(size_field) if version == 4 else int.from_bytes(size_field, "big")
        end = position + HEADER_BYTES + (size if size is not None else len(raw))
        if not _FRAME_ID.fullmatch(frame_id) or end > len(raw):
            raise FormatError(Reason.ID3_DAMAGED, f"frame {frame_id!r} at byte {offset + position}")
        frame = raw[position:end]
        description = _description(frame) if frame_id == b"TXXX" else ""
        field = _field(frame_id, description)
        yield Frame(field=field, id=frame_id, description=description, offset=offset + position, raw=frame)
        position = end
    if raw.count(0, position) != len(raw) - position:
        raise FormatError(Reason.ID3_DAMAGED, f"padding that is not zero at byte {offset + position}")


def _field(frame_id: bytes, description: str) -> str | None:
    if frame_id == b"TCON":
        return "genre"
    if frame_id == b"TMOO" or description.upper() == "MOOD":
        return "mood"
    return description.upper() if description.upper().startswith("TAGGER_") else None


def _description(frame: bytes) -> str:
    """The description of a TXXX frame; empty where it cannot be read, which leaves the frame foreign."""
    encoding, text = frame[HEADER_BYTES : HEADER_BYTES + 1], frame[HEADER_BYTES + 1 :]
    if frame[9] or not encoding or encoding[0] >= len(_ENCODINGS):  # compressed, encrypted, grouped
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
    footer = HEADER_BYTES if header[3] >= 4 and header[5] & _FLAG_FOOTER else 0
    return HEADER_BYTES + size + footer


def _synchsafe(number: int) -> bytes:
    """28 bits as four bytes of seven."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _from_synchsafe(field: bytes) -> int | None:
    if len(field) < 4 or any(byte & 0x80 for byte in field):
        return None
    return field[0] << 21 | field[1] << 14 | field[2] << 7 | field[3]


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
