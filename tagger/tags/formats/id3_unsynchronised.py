"""Unsynchronisation: a zero byte behind each 0xFF that could be taken for the start of an MPEG frame.

ID3v2.2 and 2.3 apply it to the whole tag behind the header, sizes and all (https://id3.org/id3v2.3.0, section 5); 2.4
frame by frame, where the sizes count the zeros, so that nothing here is needed to find the frames.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

_MARKED = re.compile(rb"\xff\x00")
_BARE = re.compile(rb"\xff[\xe0-\xff]")
_TO_MARK = re.compile(rb"\xff(?=[\x00\xe0-\xff])")


@dataclass(frozen=True, slots=True)
class View:
    """Bytes as they are meant, and where each of them stands in the bytes as they are stored."""

    data: bytes
    _added: tuple[int, ...] = ()  # the places in `data` in front of which a zero was taken out

    def stored_at(self, position: int) -> int:
        """Where the byte at `position` of `data` is stored; a zero belongs to the 0xFF that it follows."""
        return position + bisect_right(self._added, position)


def view(stored: bytes) -> View:
    """The meaning of unsynchronised bytes."""
    added = tuple(match.start() + 1 - number for number, match in enumerate(_MARKED.finditer(stored)))
    return View(synchronise(stored), added)


def synchronise(stored: bytes) -> bytes:
    """Unsynchronised bytes as they are meant."""
    return stored.replace(b"\xff\x00", b"\xff")


def unsynchronise(data: bytes) -> bytes:
    """Bytes as they are stored. A 0xFF at the end stays bare: what follows it in a tag is a letter or padding."""
    return _TO_MARK.sub(b"\xff\x00", data)


def left_bare(stored: bytes) -> bool:
    """Whether a 0xFF stands there that unsynchronisation would have marked."""
    return _BARE.search(stored) is not None
