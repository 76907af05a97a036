"""Files with ID3v2 tags in front of the audio and older tags behind it: MP3, TTA, ADTS.

The first ID3v2 tag is the one that is written; all others stay as they are.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.fields import speaks_for_itself
from tagger.tags.formats import id3, id3_values, older
from tagger.tags.formats.base import PADDING_BYTES, Carried, Copy, FormatError, Plan, Style
from tagger.tags.formats.tails import Tail, find_tail
from tagger.tags.refusals import Reason
from tagger.tags.splice import tidy


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things are: ID3v2 tags, audio (with whatever stands before the first frame), tail."""

    tags: tuple[tuple[int, int], ...]
    audio_start: int
    tail: Tail
    size_bytes: int


def layout_of(file: BinaryIO) -> Layout:
    size_bytes = file.seek(0, os.SEEK_END)
    tags = id3.leading_tags(file)
    audio_start = min(sum(tags[-1]) if tags else 0, size_bytes)
    return Layout(
        tags=tuple(tags),
        audio_start=audio_start,
        tail=find_tail(file, audio_start, size_bytes),
        size_bytes=size_bytes,
    )


def tag_of(file: BinaryIO, layout: Layout) -> id3.Tag | None:
    """The first tag of the file, None where it has none. Raises FormatError where it cannot be spliced.

    A further tag that holds a field of ours would contradict the first, so it is refused.
    """
    for raw in _further_tags(file, layout):
        if any(speaks_for_itself(found.field) for found in id3.parse(raw, 0).frames):
            raise FormatError(Reason.ID3_TWICE)
    if not layout.tags:
        return None
    offset, length = layout.tags[0]
    file.seek(offset)
    return id3.parse(id3.without_stray_footer(file.read(length)), offset)


def splice(layout: Layout, tag: id3.Tag | None, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
    """The file with another first tag."""
    behind = tag.length if tag else 0
    new_tag = id3.splice(tag, changes, style, reserve=PADDING_BYTES)
    return tidy((*new_tag, Copy(behind, layout.size_bytes - behind)))


def carried_by(file: BinaryIO, layout: Layout, tag: id3.Tag | None, *, ape_tags: bool = True) -> Carried:
    """What `tag`, the first one of the file, takes over from all others. Raises FormatError where they are damaged."""
    if tag and tag.frames:
        return Carried()
    return id3.carried(tag, older.of_file(file, _further_tags(file, layout), layout.tail, ape_tags=ape_tags))


def values_of(file: BinaryIO, layout: Layout) -> TagValues:
    """What the first ID3v2 tag says; where it is silent, what the other tags do (an ID3v1 genre is no value)."""
    values = TagValues()
    for offset, length in layout.tags:
        file.seek(offset)
        values = id3_values.filled(values, id3_values.read_tag(file.read(length)))
    if layout.tail.offset("ape") is not None:
        values = id3_values.filled(values, id3_values.read_ape(file))
    if (offset_v1 := layout.tail.offset("id3v1")) is not None:
        file.seek(offset_v1)
        values = id3_values.filled(values, id3_values.read_id3v1(file.read(128)))
    return values


def _further_tags(file: BinaryIO, layout: Layout) -> Iterator[bytes]:
    for offset, length in layout.tags[1:]:
        file.seek(offset)
        yield id3.without_stray_footer(file.read(length))
    if (appended := layout.tail.offset("id3v2")) is not None:
        file.seek(appended)
        yield id3.without_stray_footer(file.read())
