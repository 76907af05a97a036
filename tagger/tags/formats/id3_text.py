"""ID3v2 text frames as we make them: of our own fields, and of those that a new tag takes over from an older one."""

from collections.abc import Sequence

from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.id3_frames import GENRE, GROUPING, TEXT, synchsafe
from tagger.tags.formats.names import CARRIED
from tagger.tags.refusals import Reason

_COMMENT = (b"COMM", b"COM")
_NO_LANGUAGE = b"XXX"
_SIZE_BITS = {2: 24, 3: 32, 4: 28}  # of a frame


def create(name: str, values: Sequence[str], version: int, style: Style) -> bytes:
    """A new frame for a field by the name that edits use, or for one of `CARRIED`.

    Raises FormatError where it would be larger than its size field can say.
    """
    if name == "genre":
        return text_frame(GENRE[version == 2], None, values, version, style)
    if name == "grouping":
        return text_frame(GROUPING[version == 2], None, values, version, style)
    if name == "mood" and (version == 4 or (version == 3 and style.v23_mood == "TMOO")):
        return text_frame(b"TMOO", None, values, version, style)
    if name in CARRIED:
        frame_id = _carried_id(name, version)
        return text_frame(frame_id, "" if frame_id in _COMMENT else None, values, version, style)
    return text_frame(TEXT[version == 2], "MOOD" if name == "mood" else name, values, version, style)


def carried_values(name: str, values: tuple[str, ...], version: int) -> tuple[str, ...]:
    """What the frame of one of `CARRIED` can hold: before version 2.4, and in a comment, a single value."""
    if name == "date" and version < 4:
        return (values[0][:4],)
    return ("; ".join(values),) if version < 4 or name == "comment" else values


def text_frame(frame_id: bytes, description: str | None, values: Sequence[str], version: int, style: Style) -> bytes:
    if frame_id in GENRE:  # a leading parenthesis would be read as a numeric reference
        values = ["(" + value if value.startswith("(") else value for value in values]
    text = ("\0" if version == 4 else style.v23_separator).join(values)
    if description is not None:
        text = f"{description}\0{text}"
    language = _NO_LANGUAGE if frame_id in _COMMENT else b""
    if all(char < "\u00ff" for char in text):  # 0xFF itself would have to be unsynchronised in version 2.4
        body = b"\0" + language + text.encode("latin-1")
    elif version == 4:
        body = b"\3" + language + text.encode("utf-8")
    else:  # each string begins with a byte order mark of its own
        strings = text.split("\0", 1) if description is not None else [text]
        body = b"\1" + language + b"\0\0".join(b"\xff\xfe" + string.encode("utf-16-le") for string in strings)
    if len(body) >> _SIZE_BITS[version]:
        raise FormatError(Reason.ID3_TOO_LARGE)
    if version == 2:
        return frame_id + len(body).to_bytes(3, "big") + body
    size = synchsafe(len(body)) if version == 4 else len(body).to_bytes(4, "big")
    return frame_id + size + b"\0\0" + body


def _carried_id(name: str, version: int) -> bytes:
    if name == "date" and version == 3:
        return b"TYER"
    return (CARRIED[name].id3_v22 if version == 2 else CARRIED[name].id3).encode("ascii")
