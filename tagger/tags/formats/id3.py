"""ID3v2.2, 2.3 and 2.4 tags, spliced frame by frame; shared by all containers that hold one.

Frames that are not ours are copied raw, in their order, and the tag keeps its version, flags and padding. A field that
stands already is replaced where it stands; a new one goes in front, because TagLib stops reading at a frame of size 0.
Before version 2.4 several values are one joined string (`Style.v23_separator`), and readers get them as that one value:
what was joined is not split again, so comparing with what was written means joining that too.

iTunes wrote version 2.4 with plain frame sizes. Such a tag keeps them, and our frames in it are short enough that both
kinds of size are the same number: FFmpeg, TagLib and mutagen, which guess by different rules, all go on reading it.

Format: https://id3.org/id3v2-00, https://id3.org/id3v2.3.0, https://id3.org/id3v2.4.0-structure and -frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mutagen.id3 import Frames

from tagger.tags.fields import STANDARD
from tagger.tags.formats.base import Carried, Copy, FormatError, Literal, Segment, Style
from tagger.tags.formats.id3_frames import TEXT, Frame, frames, from_synchsafe, sizes_look_plain, synchsafe
from tagger.tags.formats.id3_text import carried_values, create, text_frame
from tagger.tags.formats.id3_unsynchronised import View, left_bare, unsynchronise, view
from tagger.tags.refusals import Reason

HEADER_BYTES = 10  # of the tag
_MAX_TAG_BYTES = 1 << 28  # four bytes of seven bits
_MOST_TAGS = 1_000  # in a row: one of ten bytes costs more to look at than to write
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10  # flags of a tag
_KEPT_FLAGS = {2: 0x80, 3: 0xE0, 4: 0xF0}
_ONE_SIZE_BYTES = 128  # a size below it is the same number in plain and in synchsafe bytes
_PLAIN_PADDING_BYTES = 10  # behind frames with plain sizes: as much as mutagen takes for padding


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag that can be spliced."""

    version: int  # 2, 3 or 4
    revision: int = 0
    flags: int
    length: int  # bytes in the file: header, padding and footer included
    extended: bytes  # the extended header
    frames: tuple[Frame, ...]
    plain_sizes: bool = False  # of the frames, where the standard has synchsafe ones

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
    """(offset, length) of the ID3v2 tags at the start of a file, stray `3DI` footers counted with the tag before.

    Raises FormatError where there are more than anybody could mean.
    """
    tags: list[tuple[int, int]] = []
    position = 0
    while length := _tag_length(_read_at(file, position, HEADER_BYTES)):
        if _read_at(file, position + length, 3) == b"3DI":
            length += HEADER_BYTES
        if len(tags) == _MOST_TAGS:
            raise FormatError(Reason.ID3_TWICE, f"more than {_MOST_TAGS}")
        tags.append((position, length))
        position += length
    return tags


def without_stray_footer(raw: bytes) -> bytes:
    """The tag at the start of `raw` alone: some programs clear the flag of a footer and leave its ten bytes."""
    return raw[: _tag_length(raw[:HEADER_BYTES])]


def parse(raw: bytes, offset: int) -> Tag:
    """The tag in `raw`, which stands at `offset` of the file; zeros behind it in `raw` are room that it may take.

    Raises FormatError where it cannot be spliced.
    """
    length = _tag_length(raw[:HEADER_BYTES])
    if not length:
        raise FormatError(Reason.ID3_DAMAGED, "no tag header")
    version, flags = raw[3], raw[5]
    if version not in _KEPT_FLAGS:
        raise FormatError(Reason.ID3_VERSION, f"2.{version}")
    if flags & ~_KEPT_FLAGS[version] or (version == 3 and flags & 0xC0 == 0xC0):
        raise FormatError(Reason.ID3_FLAGS, f"0x{flags:02x}")
    if length > len(raw) or any(raw[length:]) or (flags & _FOOTER and length < len(raw)):
        raise FormatError(Reason.ID3_DAMAGED, f"{length} bytes declared, {len(raw)} found")
    body = raw[HEADER_BYTES : length - HEADER_BYTES if flags & _FOOTER else length]
    seen = view(body) if version < 4 and flags & _UNSYNCHRONISED else View(body)
    extended = _extended_header(seen.data, version) if version > 2 and flags & _EXTENDED else b""
    start = offset + HEADER_BYTES
    try:
        found, plain = tuple(frames(seen, body, len(extended), start, version, flags)), False
    except FormatError:
        found, plain = (_with_plain_sizes(body, start) if version == 4 and not flags else ()), True
        if not found:
            raise
    if seen.data != body and left_bare(body):
        _refuse_other_frames(found, frames(View(body), body, len(extended), start, version, flags))
    return Tag(
        version=version,
        revision=raw[4],
        flags=flags,
        length=len(raw),
        extended=extended,
        frames=found,
        plain_sizes=plain,
    )


def _refuse_other_frames(found: Iterable[Frame], plain: Iterable[Frame]) -> None:
    """A tag that says it is unsynchronised, and is not throughout, is plain to some programs (mutagen is one)."""
    if [frame.id for frame in found] != [frame.id for frame in plain]:
        raise FormatError(Reason.ID3_DAMAGED, "unsynchronised in part: where its frames begin is not certain")


def _with_plain_sizes(body: bytes, offset: int) -> tuple[Frame, ...]:
    """The frames as iTunes wrote them; none where they are not, or mutagen would not take them for that."""
    try:
        found = tuple(frames(View(body), body, 0, offset, 4, 0, plain_sizes=True))
    except FormatError:
        return ()
    return found if sizes_look_plain(body) else ()


def splice(tag: Tag | None, changes: Mapping[str, Sequence[str]], style: Style, reserve: int) -> list[Segment]:
    """The new tag, header and padding included; a file without a tag gets version 2.4.

    Where the frames outgrow the old tag, `reserve` bytes of padding follow them; a footer stands for padding.
    Raises FormatError where a field stands in a frame that cannot be renewed, or the tag would not be read whole.
    """
    if tag is None and not any(changes.values()):
        return []
    old = tag or NEW
    if concealed := next((frame.concealed for frame in old.frames if frame.concealed in changes), None):
        raise FormatError(Reason.ID3_FLAGS, f"a compressed or grouped frame with {concealed}")
    front, body = _new_frames(old, changes, style)
    content = [*front, *body]
    footer = HEADER_BYTES if old.flags & _FOOTER else 0
    needed = HEADER_BYTES + len(old.extended) + sum(segment.length for segment in content) + footer
    least = _PLAIN_PADDING_BYTES if old.plain_sizes else 0
    length = needed if footer else old.length if needed + least <= old.length else needed + max(reserve, least)
    size = length - HEADER_BYTES - footer
    if size >= _MAX_TAG_BYTES:
        raise FormatError(Reason.ID3_TOO_LARGE)
    header = bytes((old.version, old.revision, old.flags)) + synchsafe(size)
    padding = bytes(length - needed)
    extended = _with_padding(old.extended, old.version, len(padding))
    last = Literal(b"3DI" + header) if footer else Literal(padding)
    made = [Literal(b"ID3" + header + extended), *content, last]
    if old.plain_sizes:
        _prove_plain_sizes(old, made, changes)
    return made


def _prove_plain_sizes(old: Tag, made: Sequence[Segment], changes: Mapping[str, Sequence[str]]) -> None:
    """Raises FormatError unless every reader takes the sizes of all frames as it did before.

    mutagen looks at the tag as a whole. FFmpeg and TagLib look at what follows each frame: a frame, or padding; a size
    that is the same in both kinds they need not guess.
    """
    raw = {frame.offset: frame.raw for frame in old.frames}
    try:
        new = parse(b"".join(part.data if isinstance(part, Literal) else raw[part.offset] for part in made), 0)
    except FormatError as error:
        raise FormatError(Reason.ID3_SIZES) from error
    kept, still = ([frame.raw for frame in tag.frames if frame.field not in changes] for tag in (old, new))
    guessed = [frame for frame in new.frames if len(frame.body) >= _ONE_SIZE_BYTES]
    ours = any(frame.field in changes for frame in guessed)
    uncovered = new.frames[-1] in guessed and new.frames[-1].raw != old.frames[-1].raw
    if kept != still or ours or uncovered:
        raise FormatError(Reason.ID3_SIZES)


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
    """The extended header; one that holds a checksum or restrictions is refused, for they would no longer hold.

    Some programs set its flag and write none. What is a frame's name there, mutagen and TagLib take for the frame, and
    the first frame stays one.
    """
    if data[:4].decode("latin-1") in Frames:
        return b""
    if version == 3:
        length = 4 + int.from_bytes(data[:4], "big")
        kept = length == 10 and data[4:6] == b"\0\0"
    else:
        length = from_synchsafe(data[:4]) or 0
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


def _tag_length(header: bytes) -> int:
    """Bytes of the tag that begins with this header, footer included; 0 where it begins none."""
    if len(header) < HEADER_BYTES or not header.startswith(b"ID3") or 0xFF in header[3:5]:
        return 0
    size = from_synchsafe(header[6:10])
    if size is None:
        return 0
    footer = HEADER_BYTES if header[3] >= 4 and header[5] & _FOOTER else 0
    return HEADER_BYTES + size + footer


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
