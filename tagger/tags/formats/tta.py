"""TTA (True Audio): an ID3v2 tag, the audio from its magic on, and a tail of other tags that is never touched.

Players show an APE tag at the end before an ID3v2 tag in front; one that holds a field of ours would contradict it.

Format: https://sourceforge.net/projects/tta/ (TTA1 header), as FFmpeg's libavformat/tta.c reads it
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tagger.tags.fields import speaks_for_itself
from tagger.tags.formats import ape, id3
from tagger.tags.formats.base import Carried, Content, FormatError, Plan, Style
from tagger.tags.formats.id3_front import Layout, carried_by, layout_of, splice, tag_of, values_of
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason

_MAGIC = b"TTA1"
_HEADER = struct.Struct("<4sHHHIII")  # magic, format, channels, bits, rate in Hz, samples, checksum


@dataclass(frozen=True, slots=True)
class Tta:
    name: str = "tta"
    suffixes: tuple[bytes, ...] = (b".tta",)

    def matches(self, head: bytes) -> bool:
        return head.startswith(_MAGIC)

    def read(self, file: BinaryIO) -> Content:
        layout = layout_of(file)
        foreign: tuple[bytes, ...] = ()
        refusal, carried = None, Carried()
        try:
            tag = _spliceable(file, layout)
            foreign = tag.foreign if tag else ()
            carried = carried_by(file, layout, tag, ape_tags=False)  # which players do not look for beside ID3v2
        except FormatError as error:
            refusal = error.refused()
        length_seconds, channels = _stream(file, layout)
        return Content(
            tags=values_of(file, layout),
            foreign=foreign,
            codec="tta",
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
            carried=carried,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        layout = layout_of(file)
        return splice(layout, _spliceable(file, layout), changes, style)

    def identity(self, file: BinaryIO) -> str:
        """Over all from the magic to the tail."""
        layout = layout_of(file)
        return identity_of_ranges(file, [(layout.audio_start, layout.tail.start)])


TTA = Tta()


def _spliceable(file: BinaryIO, layout: Layout) -> id3.Tag | None:
    """As `tag_of`, of a file whose header is whole and whose tail says nothing else."""
    if layout.tail.start - layout.audio_start < _HEADER.size:
        raise FormatError(Reason.DAMAGED, "it ends within its header")
    if any(speaks_for_itself(item.field) for raw in layout.tail.read(file, "ape") for item in ape.parse(raw, 0).items):
        raise FormatError(Reason.APE_BESIDE)
    return tag_of(file, layout)


def _stream(file: BinaryIO, layout: Layout) -> tuple[float | None, int | None]:
    """Declared length in seconds, and channels."""
    file.seek(layout.audio_start)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None, None
    _, _, channels, _, rate_hz, samples, _ = _HEADER.unpack(header)
    return (samples / rate_hz if rate_hz else None), channels
