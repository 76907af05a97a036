"""The tags at the end of MP3, TTA, FLAC and APE-tagged files: ID3v1, TAG+, Lyrics3, APEv2, ID3v2, in any order.

What matters is where they begin, because the audio ends there. Only the APE tag of a file whose own kind of tag it is
(Monkey's Audio, WavPack, Musepack) is ever written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from tagger.tags.formats.base import FormatError
from tagger.tags.refusals import Reason

_WINDOW_BYTES = 6000  # the longest that one look backwards needs: Lyrics3 v1 has at most 5,100 bytes and two markers
_APE_FOOTER_BYTES = 32
_APE_HAS_HEADER = 1 << 31
_ENHANCED_BYTES = 227  # "TAG+"
_MOST_TAGS = 1_000  # one of 20 bytes costs more to look at than to write


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Where the audio ends, the tags behind it, last one first, as (kind, offset), and where the file ends."""

    start: int
    tags: tuple[tuple[str, int], ...]
    stop: int

    def offset(self, kind: str) -> int | None:
        return next((offset for name, offset in self.tags if name == kind), None)

    def read(self, file: BinaryIO, kind: str) -> list[bytes]:
        """The tags of a kind, last one first."""
        found, stop = [], self.stop
        for name, offset in self.tags:
            if name == kind:
                file.seek(offset)
                found.append(file.read(stop - offset))
            stop = offset
        return found


def find_tail(file: BinaryIO, audio_start: int, size_bytes: int) -> Tail:
    """The tail of a file whose audio begins at `audio_start`.

    Raises FormatError where it has more tags than anybody could mean.
    """
    tags: list[tuple[str, int]] = []
    end = size_bytes
    while True:
        file.seek(max(audio_start, end - _WINDOW_BYTES))
        window = file.read(end - file.tell())
        kind, length = next(((kind, n) for kind, look in _LOOKS if (n := look(window))), ("", 0))
        if not length or end - length < audio_start:
            return Tail(start=end, tags=tuple(tags), stop=size_bytes)
        if len(tags) == _MOST_TAGS:
            raise FormatError(Reason.DAMAGED, f"more than {_MOST_TAGS} tags at its end")
        end -= length
        tags.append((kind, end))


def _id3v1(window: bytes) -> int:
    is_ape_footer = window[-131:-123] == b"APETAGEX"  # holds "TAG" at the very place
    return 128 if window[-128:-125] == b"TAG" and not is_ape_footer else 0


def _enhanced(window: bytes) -> int:
    return _ENHANCED_BYTES if window[-_ENHANCED_BYTES:].startswith(b"TAG+") else 0


def _lyrics3_v2(window: bytes) -> int:
    digits = window[-15:-9]
    return int(digits) + 15 if window.endswith(b"LYRICS200") and digits.isdigit() else 0


def _lyrics3_v1(window: bytes) -> int:
    begin = window.rfind(b"LYRICSBEGIN")
    return len(window) - begin if window.endswith(b"LYRICSEND") and begin >= 0 else 0


def _ape(window: bytes) -> int:
    footer = window[-_APE_FOOTER_BYTES:]
    if len(footer) < _APE_FOOTER_BYTES or not footer.startswith(b"APETAGEX"):
        return 0
    length = int.from_bytes(footer[12:16], "little")
    has_header = int.from_bytes(footer[20:24], "little") & _APE_HAS_HEADER
    return max(length, _APE_FOOTER_BYTES) + (_APE_FOOTER_BYTES if has_header else 0)


def _id3v2(window: bytes) -> int:
    footer = window[-10:]
    if len(footer) < 10 or not footer.startswith(b"3DI") or any(byte & 0x80 for byte in footer[6:10]):
        return 0
    return 20 + (footer[6] << 21 | footer[7] << 14 | footer[8] << 7 | footer[9])


_LOOKS: tuple[tuple[str, Callable[[bytes], int]], ...] = (
    ("ape", _ape),
    ("id3v1", _id3v1),
    ("enhanced", _enhanced),
    ("lyrics3", _lyrics3_v2),
    ("lyrics3", _lyrics3_v1),
    ("id3v2", _id3v2),
)
