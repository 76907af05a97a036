"""The Vorbis comment of FLAC, Ogg Vorbis and Opus, spliced entry by entry.

Entries that are not ours are kept raw, in their order, also where they are no valid UTF-8 or hold no `=`. Keys compare
without regard to case; a key that stands already keeps its place and its spelling.

Format: https://xiph.org/vorbis/doc/v-comment.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tagger.records import TagValues
from tagger.tags.fields import STANDARD
from tagger.tags.formats.base import Carried, Copy, FormatError, Literal, Plan, Segment
from tagger.tags.formats.id3_values import year
from tagger.tags.formats.names import CARRIED
from tagger.tags.refusals import Reason

EMPTY = bytes(8)
"""No vendor, no entries: what a file without a comment is taken to have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    offset: int  # of its length field, in the block
    raw: bytes  # without the length field

    @property
    def key(self) -> str:
        return self.raw.partition(b"=")[0].decode("utf-8", errors="replace")

    @property
    def value(self) -> str:
        return self.raw.partition(b"=")[2].decode("utf-8", errors="replace")

    @property
    def field(self) -> str | None:
        """The field of ours that the entry holds, None for a foreign one."""
        key = self.key.upper()
        if b"=" not in self.raw:
            return None
        if key.lower() in STANDARD:
            return key.lower()
        return key if key.startswith("TAGGER_") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment block; offsets count from its start, and what follows the last entry begins at `end`."""

    vendor: bytes
    entries: tuple[Entry, ...]
    end: int

    @property
    def foreign(self) -> tuple[bytes, ...]:
        return (self.vendor, *(entry.raw for entry in self.entries if entry.field is None))

    def values(self) -> TagValues:
        fields: dict[str, list[str]] = {}
        for entry in self.entries:
            if b"=" in entry.raw:
                fields.setdefault(entry.key.upper(), []).append(entry.value)
        texts = {key: "; ".join(values) or None for key, values in fields.items()}
        return TagValues(
            artist=texts.get("ARTIST"),
            title=texts.get("TITLE"),
            album=texts.get("ALBUM"),
            year=year(texts.get("DATE") or texts.get("YEAR")),
            genre=tuple(fields.get("GENRE", ())),
            mood=tuple(fields.get("MOOD", ())),
            grouping=tuple(fields.get("GROUPING", ())),
            own={key: tuple(values) for key, values in fields.items() if key.startswith("TAGGER_")},
        )


def parse(block: bytes) -> Comment:
    """The comment that begins `block`. Raises FormatError where its lengths run past the end."""
    vendor_length = _number(block, 0)
    count_at = 4 + vendor_length
    position = count_at + 4
    entries: list[Entry] = []
    for _ in range(_number(block, count_at)):
        length = _number(block, position)
        end = position + 4 + length
        if end > len(block):
            raise FormatError(Reason.COMMENT_DAMAGED, f"entry {len(entries) + 1} runs past the end")
        entries.append(Entry(offset=position, raw=block[position + 4 : end]))
        position = end
    return Comment(vendor=block[4:count_at], entries=tuple(entries), end=position)


def splice(comment: Comment, changes: Mapping[str, Sequence[str]]) -> Plan:
    """The new block over the old one, up to the end of the last entry."""
    waiting = {name: values for name, values in changes.items() if values}
    segments: list[Segment] = []
    count = 0
    for entry in comment.entries:
        if entry.field not in changes:
            segments.append(Copy(entry.offset, 4 + len(entry.raw)))
            count += 1
        elif entry.field in waiting:
            values = waiting.pop(entry.field)
            segments += [_entry(entry.key, value) for value in values]
            count += len(values)
    for name, values in waiting.items():
        segments += [_entry(_new_key(name), value) for value in values]
        count += len(values)
    head = (Copy(0, 4 + len(comment.vendor)), Literal(count.to_bytes(4, "little")))
    return (*head, *segments)


def carried(comment: Comment, older: Mapping[str, tuple[str, ...]]) -> Carried:
    """What a comment without entries takes over of what older tags say."""
    if comment.entries:
        return Carried()
    entries = (_raw(_new_key(name), value) for name in older if name not in STANDARD for value in older[name])
    return Carried(values=older, entries=tuple(entries))


def _new_key(name: str) -> str:
    names = CARRIED.get(name)
    return names.vorbis if names else name.upper()


def _raw(key: str, value: str) -> bytes:
    return f"{key}={value}".encode()


def _entry(key: str, value: str) -> Literal:
    raw = _raw(key, value)
    return Literal(len(raw).to_bytes(4, "little") + raw)


def _number(block: bytes, position: int) -> int:
    field = block[position : position + 4]
    if len(field) < 4:
        raise FormatError(Reason.COMMENT_DAMAGED, "it ends too early")
    return int.from_bytes(field, "little")
