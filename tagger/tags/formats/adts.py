"""AAC in ADTS frames: heard, never written, for it has no tags of its own that players agree on.

Tags that other programs put around the frames are read, and stay out of the identity.

Format: https://wiki.multimedia.cx/index.php/ADTS
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tagger.records import Refused
from tagger.tags.formats.base import Content, FormatError, Plan, Style
from tagger.tags.formats.id3_front import layout_of, values_of
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason

_HEADER_BYTES = 7
_RATES = 13  # indices of sample rates that are defined


@dataclass(frozen=True, slots=True)
class Adts:
    name: str = "aac"
    suffixes: tuple[bytes, ...] = (b".aac",)

    def matches(self, head: bytes) -> bool:
        """A frame at the very start, and another one behind it unless the file ends there."""
        length = _frame_length(head)
        return bool(length) and (length == len(head) or _frame_length(head[length:]) > 0)

    def read(self, file: BinaryIO) -> Content:
        layout = layout_of(file)
        file.seek(layout.audio_start)
        header = file.read(_HEADER_BYTES)
        channels = (header[2] & 1) << 2 | header[3] >> 6 if _frame_length(header) else 0
        return Content(
            tags=values_of(file, layout),
            foreign=(),
            codec="aac",
            length_seconds=None,  # nothing declares it
            channels=channels or None,
            refusal=Refused(reason=Reason.ADTS, detail=""),
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        raise FormatError(Reason.ADTS)

    def identity(self, file: BinaryIO) -> str:
        """Over all frames."""
        layout = layout_of(file)
        return identity_of_ranges(file, [(layout.audio_start, layout.tail.start)])


ADTS = Adts()


def _frame_length(header: bytes) -> int:
    """Bytes of the ADTS frame with this header; 0 where it is none."""
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if header[2] >> 2 & 15 < _RATES and length >= _HEADER_BYTES else 0
