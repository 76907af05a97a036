"""The frames of an ID3v2 tag: where each begins and ends, and which of them are ours.

iTunes wrote version 2.4 with sizes of eight bits a byte, where seven are the rule; readers guess which of the two a tag
has, each by a rule of its own (FFmpeg and TagLib frame by frame, mutagen for all).

Format: https://id3.org/id3v2-00, https://id3.org/id3v2.3.0, https://id3.org/id3v2.4.0-structure.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from mutagen.id3 import Frames

from tagger.tags.formats.base import FormatError
from tagger.tags.formats.id3_unsynchronised import View, synchronise
from tagger.tags.refusals import Reason

GENRE, GROUPING, TEXT = (b"TCON", b"TCO"), (b"TIT1", b"TT1"), (b"TXXX", b"TXX")
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_UNSYNCHRONISED, _LENGTH_FIRST = 0x02, 0x01  # flags of a frame of version 2.4
_GROUPED, _COMPRESSED = {3: 0x20, 4: 0x40}, {3: 0x80, 4: 0x08}
_INFLATED_BYTES = 1024  # as many as a description of ours can need


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame as it is stored; `field` is ours ("genre", "mood", "grouping", TAGGER_*) or None for a foreign one."""

    field: str | None
    id: bytes
    description: str  # of a TXXX frame, in its own spelling
    offset: int  # in the file
    raw: bytes  # header included
    body: bytes  # as it is meant
    concealed: str | None = None  # our field in a foreign frame, compressed or grouped, that some readers see into

    @property
    def empty(self) -> bool:
        return not self.body


def frames(
    seen: View, body: bytes, start: int, offset: int, version: int, flags: int, *, plain_sizes: bool = False
) -> Iterator[Frame]:
    """The frames in `seen`, the meaning of `body`, which stands at `offset` of the file; the first at `start`.

    Raises FormatError where they do not lead from one to the next and on to the padding.
    """
    data, position = seen.data, start
    header_bytes, name_bytes = (6, 3) if version == 2 else (10, 4)
    while position < len(data) and data[position]:
        frame_id = data[position : position + name_bytes]
        field = data[position + name_bytes : position + (6 if version == 2 else 8)]
        size = from_synchsafe(field) if version == 4 and not plain_sizes else int.from_bytes(field, "big")
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
            concealed=_concealed(frame, version) if frame_id == b"TXXX" else None,
        )
        position = end
    if data.count(0, position) != len(data) - position:
        raise FormatError(Reason.ID3_DAMAGED, f"padding that is not zero at byte {offset + seen.stored_at(position)}")


def sizes_look_plain(body: bytes) -> bool:
    """Whether mutagen takes the sizes of these frames of version 2.4 for plain numbers.

    It does where more frames that it knows are found that way, or as many, and only that way ends within the tag.
    """
    plain, past_plain = _walk(body, synchsafe=False)
    safe, past_safe = _walk(body, synchsafe=True)
    return plain > safe or (plain == safe and past_plain <= 1 <= past_safe)


def _walk(body: bytes, *, synchsafe: bool) -> tuple[int, int]:
    """How many known frames sizes of this kind lead to, and how many bytes past the end of the tag."""
    known = position = 0
    while position < len(body) - 10:
        header = body[position : position + 10]
        if not any(header):
            return known, 0
        known += header[:4].decode("latin-1") in Frames
        position += 10 + (_sevens(header[4:8]) if synchsafe else int.from_bytes(header[4:8], "big"))
    return known, position - len(body)


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
        if how & _LENGTH_FIRST:
            text = text[4:]
        if (how | flags >> 6) & _UNSYNCHRONISED:
            text = synchronise(text)
        how &= ~(_LENGTH_FIRST | _UNSYNCHRONISED)
    return "" if how else _first_text(text)  # compressed, encrypted, grouped


def _concealed(frame: bytes, version: int) -> str | None:
    """The field of a compressed or grouped TXXX frame; mutagen takes no byte of the group to stand in front."""
    how = frame[9]
    grouped, compressed = how & _GROUPED[version], how & _COMPRESSED[version]
    if not grouped and not compressed:
        return None
    unsynchronised = version == 4 and how & _UNSYNCHRONISED
    body = synchronise(frame[10:]) if unsynchronised else frame[10:]
    start = 4 if compressed or (version == 4 and how & _LENGTH_FIRST) else 0
    texts = (body[start:], body[start + 1 :] if grouped else b"")
    found = (_field(b"TXXX", _first_text(_inflated(text) if compressed else text)) for text in texts)
    return next(filter(None, found), None)


def _inflated(data: bytes) -> bytes:
    """The beginning of compressed data; empty where it is none."""
    try:
        return zlib.decompressobj().decompress(data, _INFLATED_BYTES)
    except zlib.error:
        return b""


def _first_text(text: bytes) -> str:
    """The text in front of the first zero, behind the byte of the encoding; empty where it has none that is known."""
    encoding, text = text[:1], text[1:]
    if not encoding or encoding[0] >= len(_ENCODINGS):
        return ""
    if encoding[0] in (1, 2):
        end = next((i for i in range(0, len(text) - 1, 2) if text[i : i + 2] == b"\0\0"), len(text) & ~1)
    else:
        end = len(text.split(b"\0", 1)[0])
    return text[:end].decode(_ENCODINGS[encoding[0]], errors="replace")


def synchsafe(number: int) -> bytes:
    """28 bits as four bytes of seven."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def from_synchsafe(field: bytes) -> int | None:
    """The number in such four bytes, None where they are none."""
    if len(field) < 4 or any(byte & 0x80 for byte in field):
        return None
    return _sevens(field)


def _sevens(field: bytes) -> int:
    """The number in the lower seven bits of four bytes."""
    return (field[0] & 0x7F) << 21 | (field[1] & 0x7F) << 14 | (field[2] & 0x7F) << 7 | field[3] & 0x7F
