"""APE tags, spliced item by item; shared by Monkey's Audio, WavPack and Musepack.

Items that are not ours are copied raw, in their order, with their flags, and the tag keeps its version, and its header
where it has one. A field that stands already is replaced where it stands, in its own spelling; new ones go in front,
because the format wants small items first. Keys compare without regard to case. Where the last item goes, so does the
tag.

Format: https://wiki.hydrogenaud.io/index.php?title=APEv2_specification
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tagger.records import TagValues
from tagger.tags.fields import STANDARD, speaks_for_itself
from tagger.tags.formats.base import Carried, Copy, FormatError, Literal, Segment
from tagger.tags.formats.id3_values import year
from tagger.tags.formats.names import CARRIED
from tagger.tags.refusals import Reason

END_BYTES = 32  # of the header and, alike, of the footer
MAX_TAG_BYTES = 1 << 28
"""As an ID3v2 tag; the size field of an APE tag would hold more."""
_MAX_ITEMS = 65_536  # FFmpeg reads no tag with more
_MARK = b"APETAGEX"
_COUNTS = struct.Struct("<II")  # at byte 12 of an end: size (items and footer), count of the items
_ITEM = struct.Struct("<II")  # size of the value, flags; then the key, a zero byte and the value
_VERSIONS = (1000, 2000)
_HAS_HEADER, _IS_HEADER, _READ_ONLY = 1 << 31, 1 << 29, 1
_TEXT, _BINARY, _RESERVED = 0, 1, 3
_KEY = re.compile(rb"[\x20-\x7e]{2,255}")
_FORBIDDEN_KEYS = frozenset({b"id3", b"tag", b"oggs", b"mp+"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of the file, with its size, flags and key."""

    offset: int  # in the file
    raw: bytes
    key: bytes

    @property
    def flags(self) -> int:
        return int.from_bytes(self.raw[4:8], "little")

    @property
    def kind(self) -> int:
        return self.flags >> 1 & 3

    @property
    def value(self) -> bytes:
        return self.raw[_ITEM.size + len(self.key) + 1 :]

    @property
    def texts(self) -> tuple[str, ...]:
        """Its values, none where it is no text."""
        texts = self.value.decode("utf-8", errors="replace").split("\0") if self.kind == _TEXT else ()
        return tuple(text for text in texts if text)

    @property
    def sound(self) -> bool:
        """Whether what should be UTF-8 is."""
        return self.kind in (_BINARY, _RESERVED) or _is_utf8(self.value)

    @property
    def field(self) -> str | None:
        """The field of ours that the item holds, None for a foreign one."""
        key = self.key.upper().decode("latin-1")
        if key.lower() in STANDARD:
            return key.lower()
        return key if key.startswith("TAGGER_") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag whose lengths hold together; `header` is empty where it has none."""

    offset: int  # in the file
    header: bytes
    items: tuple[Item, ...]
    footer: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.header) + sum(len(item.raw) for item in self.items) + END_BYTES

    @property
    def version(self) -> int:
        return _number(self.footer, 8)

    @property
    def foreign(self) -> tuple[bytes, ...]:
        return tuple(item.raw for item in self.items if item.field is None)

    def values(self) -> TagValues:
        fields: dict[str, tuple[str, ...]] = {}
        for item in self.items:
            key = item.key.upper().decode("latin-1")
            fields[key] = fields.get(key, ()) + item.texts
        texts = {key: "; ".join(values) or None for key, values in fields.items()}
        return TagValues(
            artist=texts.get("ARTIST"),
            title=texts.get("TITLE"),
            album=texts.get("ALBUM"),
            year=year(texts.get("YEAR") or texts.get("RECORD DATE")),
            genre=fields.get("GENRE", ()),
            mood=fields.get("MOOD", ()),
            grouping=fields.get("GROUPING", ()),
            own={key: values for key, values in fields.items() if key.startswith("TAGGER_")},
        )


def parse(raw: bytes, offset: int) -> Tag:
    """The tag in `raw`, which stands at `offset` of the file.

    Raises FormatError unless header, items and footer fill it exactly and agree in what they declare.
    """
    footer = raw[-END_BYTES:]
    if len(footer) < END_BYTES or not footer.startswith(_MARK):
        raise FormatError(Reason.APE_DAMAGED, "no footer")
    flags = _number(footer, 20)
    header = raw[:END_BYTES] if flags & _HAS_HEADER else b""
    if flags & _IS_HEADER or (header and not _is_header_of(header, footer)):
        raise FormatError(Reason.APE_DAMAGED, "its header and its footer do not agree")
    size_bytes, count = _COUNTS.unpack_from(footer, 12)
    if size_bytes + len(header) != len(raw):
        raise FormatError(Reason.APE_DAMAGED, f"{size_bytes + len(header)} bytes declared, {len(raw)} found")
    if count > _MAX_ITEMS:
        raise FormatError(Reason.APE_TOO_LARGE, f"{count} items")
    items = tuple(_items(raw, len(header), offset, count))
    return Tag(offset=offset, header=header, items=items, footer=footer)


def check(tag: Tag) -> None:
    """Raises FormatError for a tag that cannot be spliced so that all programs still read it, or that forbids it."""
    if tag.version not in _VERSIONS:
        raise FormatError(Reason.APE_VERSION, str(tag.version))
    if _number(tag.footer, 20) & _READ_ONLY:
        raise FormatError(Reason.APE_READ_ONLY, "the tag")
    for item in tag.items:
        name = item.key.decode("latin-1")
        if not _KEY.fullmatch(item.key) or item.key.lower() in _FORBIDDEN_KEYS:
            raise FormatError(Reason.APE_ITEM, f"{name!r} is no key")
        if item.kind == _RESERVED or not item.sound:
            raise FormatError(Reason.APE_ITEM, f"{name} is no UTF-8")
        if speaks_for_itself(item.field):
            _check_ours(item)


def _check_ours(item: Item) -> None:
    name = item.key.decode("latin-1")
    if item.kind != _TEXT:
        raise FormatError(Reason.APE_ITEM, f"{name} is no text")
    if item.flags & _READ_ONLY:
        raise FormatError(Reason.APE_READ_ONLY, name)


def splice(tag: Tag | None, changes: Mapping[str, Sequence[str]]) -> list[Segment]:
    """The new tag; a file without one gets version 2 with header and footer. Empty where no item is left."""
    version, items = (tag.version, tag.items) if tag else (2000, ())
    waiting = {name: values for name, values in changes.items() if values}
    body: list[Segment] = []
    for item in items:
        if item.field not in changes:
            body.append(Copy(item.offset, len(item.raw)))
            continue
        _check_ours(item)
        if item.field in waiting:
            body.append(_item(item.key, item.flags, waiting.pop(item.field), version))
    fresh = [_item(_new_key(name), _TEXT, values, version) for name, values in waiting.items()]
    content = [*fresh, *body]
    if not content:
        return []
    size_bytes = sum(segment.length for segment in content) + END_BYTES
    if size_bytes > MAX_TAG_BYTES:
        raise FormatError(Reason.APE_TOO_LARGE)
    header, footer = (tag.header, tag.footer) if tag else (_end(_HAS_HEADER | _IS_HEADER), _end(_HAS_HEADER))
    return [
        Literal(_counted(header, size_bytes, len(content))),
        *content,
        Literal(_counted(footer, size_bytes, len(content))),
    ]


def carried(tag: Tag | None, older: Mapping[str, tuple[str, ...]]) -> Carried:
    """What a tag without items, or a new one, takes over of what older tags say."""
    if tag and tag.items:
        return Carried()
    version = tag.version if tag else 2000
    fresh = (_item(_new_key(name), _TEXT, values, version) for name, values in older.items() if name not in STANDARD)
    return Carried(values=older, entries=tuple(item.data for item in fresh))


def _items(raw: bytes, position: int, offset: int, count: int) -> Iterator[Item]:
    """Exactly `count` items from `position` to the footer."""
    stop = len(raw) - END_BYTES
    found = 0
    while position < stop and found < count:
        key_end = raw.find(b"\0", position + _ITEM.size, stop)
        end = key_end + 1 + _number(raw, position)
        if key_end < 0 or end > stop:
            raise FormatError(Reason.APE_DAMAGED, f"item {found + 1} runs past the end")
        key = raw[position + _ITEM.size : key_end]
        yield Item(offset=offset + position, raw=raw[position:end], key=key)
        position, found = end, found + 1
    if position != stop or found != count:
        raise FormatError(Reason.APE_DAMAGED, f"{count} items declared, but they do not fill the tag")


def _is_header_of(header: bytes, footer: bytes) -> bool:
    """Whether both declare the same version, size and count."""
    return header[:20] == footer[:20] and bool(_number(header, 20) & _IS_HEADER)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _new_key(name: str) -> bytes:
    names = CARRIED.get(name)
    return (names.ape if names else name.title() if name in STANDARD else name).encode("ascii")


def _item(key: bytes, flags: int, values: Sequence[str], version: int) -> Literal:
    value = "\0".join(values).encode()
    if version == 1000 and not (value.isascii() and len(values) == 1):
        raise FormatError(Reason.APE_VERSION, "version 1 holds one value of plain ASCII")
    return Literal(_ITEM.pack(len(value), flags) + key + b"\0" + value)


def _end(flags: int) -> bytes:
    return _MARK + struct.pack("<IIII8x", 2000, 0, 0, flags)


def _counted(end: bytes, size_bytes: int, count: int) -> bytes:
    """A header or footer with another size and count; what else it holds stays. No bytes where there is none."""
    return end and end[:12] + _COUNTS.pack(size_bytes, count) + end[20:]


def _number(raw: bytes, position: int) -> int:
    return int.from_bytes(raw[position : position + 4], "little")
