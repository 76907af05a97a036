"""MP3 (and MPEG layers I and II): an ID3v2 tag, MPEG frames, and a tail of other tags that is never touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from mutagen.mp3 import MPEGInfo

from tagger.tags.fields import speaks_for_itself
from tagger.tags.formats import ape, id3
from tagger.tags.formats.base import Carried, Content, FormatError, Plan, Style
from tagger.tags.formats.id3_front import Layout, carried_by, layout_of, splice, tag_of, values_of
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason

_SEARCH_BYTES = 65_536  # how far behind the tag the first frame may be
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_BITRATES_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True, slots=True)
class Mp3:
    name: str = "mp3"
    suffixes: tuple[bytes, ...] = (b".mp3", b".mp2", b".mpga")

    def matches(self, head: bytes) -> bool:
        return first_frame(head) is not None

    def read(self, file: BinaryIO) -> Content:
        layout = layout_of(file)
        foreign: tuple[bytes, ...] = ()
        refusal, carried = None, Carried()
        try:
            tag = _spliceable(file, layout)
            foreign = tag.foreign if tag else ()
            carried = carried_by(file, layout, tag)
        except FormatError as error:
            refusal = error.refused()
        codec, length_seconds, channels = _stream(file, layout)
        return Content(
            tags=values_of(file, layout),
            foreign=foreign,
            codec=codec,
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
            carried=carried,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        layout = layout_of(file)
        _refuse_beside_ape(file, layout, changes)
        return splice(layout, _spliceable(file, layout), changes, style)

    def identity(self, file: BinaryIO) -> str:
        """Over the frames between the tags, without a Xing, Info or VBRI frame, which tools add and remove."""
        layout = layout_of(file)
        start, stop = layout.audio_start, layout.tail.start
        file.seek(start)
        head = file.read(min(_SEARCH_BYTES, stop - start))
        frame = first_frame(head)
        if frame and _is_info_frame(head[frame[0] : frame[0] + frame[1]]):
            return identity_of_ranges(file, [(start, start + frame[0]), (start + frame[0] + frame[1], stop)])
        return identity_of_ranges(file, [(start, stop)])


MP3 = Mp3()


def first_frame(head: bytes) -> tuple[int, int] | None:
    """(offset, length) of the first MPEG frame that another one follows, or that ends exactly with `head`."""
    position = head.find(b"\xff")
    while position >= 0:
        length = _frame_length(head[position : position + 4])
        if length and (position + length == len(head) or _frame_length(head[position + length :][:4])):
            return position, length
        position = head.find(b"\xff", position + 1)
    return None


def _frame_length(header: bytes) -> int:
    """Bytes of the MPEG frame with this header; 0 where it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    bits_per_second = 1000 * _BITRATES_KBPS[1 if version == 3 else 2, layer][bitrate - 1]
    rate_hz = _RATES_HZ[version][rate]
    if layer == 1:
        return (12 * bits_per_second // rate_hz + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits_per_second // rate_hz + padding


def _is_info_frame(frame: bytes) -> bool:
    side_info = frame[4:40]
    return b"Xing" in side_info or b"Info" in side_info or frame[36:40] == b"VBRI"


def _spliceable(file: BinaryIO, layout: Layout) -> id3.Tag | None:
    """As `tag_of`, of a file whose audio begins where its tags end."""
    file.seek(layout.audio_start)
    head = file.read(_SEARCH_BYTES)
    frame = first_frame(head)
    if frame is None:
        raise FormatError(Reason.DAMAGED, "no MPEG frame behind the tag")
    if b"ID3" in head[: frame[0]]:
        raise FormatError(Reason.ID3_TWICE, "one stands behind other bytes")
    return tag_of(file, layout)


def _refuse_beside_ape(file: BinaryIO, layout: Layout, changes: Mapping[str, tuple[str, ...]]) -> None:
    """Raises FormatError where an APE tag at the end says something else of a field that is to be set.

    MPD shows what that tag says, ExifTool and MediaInfo show some of it, whatever stands in the ID3v2 tag.
    """
    for raw in layout.tail.read(file, "ape"):
        for item in ape.parse(raw, 0).items:
            wanted = changes.get(item.field or "", ())
            if speaks_for_itself(item.field) and wanted and item.texts != tuple(wanted):
                raise FormatError(Reason.APE_BESIDE, item.key.decode("latin-1"))


def _stream(file: BinaryIO, layout: Layout) -> tuple[str, float | None, int | None]:
    """Codec, declared length in seconds, channels."""
    try:
        file.seek(layout.audio_start)
        info = MPEGInfo(file, layout.audio_start)
    except Exception:  # mutagen meets hostile input here and leaks errors of every kind
        return "mp3", None, None
    return f"mp{info.layer}", info.length, info.channels
