"""What differs between the codecs in Ogg: how many header packets there are, and how the comment stands in the second.

Formats: https://xiph.org/vorbis/doc/Vorbis_I_spec.html, https://www.rfc-editor.org/rfc/rfc7845 (Opus),
https://www.speex.org/docs/manual/speex-manual/node8.html and https://xiph.org/flac/ogg_mapping.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tagger.tags.formats.base import FormatError
from tagger.tags.refusals import Reason

_FLAC_PADDING, _FLAC_COMMENT, _FLAC_PICTURE = 1, 4, 6
_FLAC_LAST = 0x80
_FLAC_MAX_BLOCK_BYTES = (1 << 24) - 1
_FLAC_STREAMINFO_AT = 17


class Codec(Protocol):
    """One codec. `head` is its identification packet, of at least `head_bytes`."""

    @property
    def name(self) -> str:
        """As FFmpeg calls it."""

    @property
    def mark(self) -> bytes:
        """With which the identification packet begins."""

    @property
    def head_bytes(self) -> int:
        """The least size of the identification packet."""

    def complete(self, count: int, head: bytes, first_byte: bytes) -> bool:
        """Whether `count` packets are all headers there are; the latest begins with `first_byte`, if with anything.

        Raises FormatError where the headers never end.
        """

    def comment_at(self, packets: Sequence[bytes]) -> int:
        """Where in the second packet the comment begins. Raises FormatError where it holds none, or a later one too."""

    def comment_mark(self, old: bytes, size_bytes: int) -> bytes:
        """What stands in front of a comment of this size; `old` stood there. Raises FormatError if it is too large."""

    def recording(self, packets: Sequence[bytes]) -> tuple[bytes, ...]:
        """What of the header packets belongs to the recording, whatever the tags say."""

    def foreign(self, packets: Sequence[bytes]) -> tuple[bytes, ...]:
        """What of the header packets belongs to the tags, beside the comment."""

    def length(self, head: bytes, granule: int) -> tuple[float | None, int | None]:
        """Seconds up to the page with this position, and channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marked:
    """A codec whose comment follows a fixed mark."""

    name: str
    mark: bytes
    head_bytes: int
    comment: bytes
    headers: int
    rate_at: int  # of the sample rate, in the identification packet
    channels_at: int

    def complete(self, count: int, head: bytes, first_byte: bytes) -> bool:
        return count == self.headers

    def comment_at(self, packets: Sequence[bytes]) -> int:
        if not packets[1].startswith(self.comment):
            raise FormatError(Reason.COMMENT_DAMAGED, "the second packet is no comment")
        return len(self.comment)

    def comment_mark(self, old: bytes, size_bytes: int) -> bytes:
        return old

    def recording(self, packets: Sequence[bytes]) -> tuple[bytes, ...]:
        return (packets[0], *packets[2:])

    def foreign(self, packets: Sequence[bytes]) -> tuple[bytes, ...]:
        return ()

    def length(self, head: bytes, granule: int) -> tuple[float | None, int | None]:
        rate_hz = int.from_bytes(head[self.rate_at : self.rate_at + 4], "little")
        return (granule / rate_hz if granule > 0 and rate_hz else None), head[self.channels_at]


class _Opus(_Marked):
    def length(self, head: bytes, granule: int) -> tuple[float | None, int | None]:
        """Opus counts at 48 kHz, whatever rate the recording had."""
        pre_skip = int.from_bytes(head[10:12], "little")
        return (max(0, granule - pre_skip) / 48_000 if granule > 0 else None), head[self.channels_at]


class _Speex(_Marked):
    def complete(self, count: int, head: bytes, first_byte: bytes) -> bool:
        extra = int.from_bytes(head[68:72], "little")
        return count == self.headers + extra


@dataclass(frozen=True, slots=True)
class _Flac:
    """FLAC's metadata blocks, each in a packet of its own; the first packet tells how many follow, or 0."""

    name: str = "flac"
    mark: bytes = b"\x7fFLAC"
    head_bytes: int = 51

    def complete(self, count: int, head: bytes, first_byte: bytes) -> bool:
        if count > 1 and first_byte == b"\xff":
            raise FormatError(Reason.DAMAGED, "audio before the last metadata block")
        header = head[_FLAC_STREAMINFO_AT - 4 : _FLAC_STREAMINFO_AT - 3] if count == 1 else first_byte
        if not header or not header[0] & _FLAC_LAST:
            return False
        declared = int.from_bytes(head[7:9], "big")
        if declared not in (0, count - 1):
            raise FormatError(Reason.DAMAGED, f"{declared} header packets declared, {count - 1} found")
        return True

    def comment_at(self, packets: Sequence[bytes]) -> int:
        packet, *later = packets[1:]
        if not _is_comment(packet):
            raise FormatError(Reason.COMMENT_DAMAGED, "the second packet is no comment")
        if any(map(_is_comment, later)):
            raise FormatError(Reason.COMMENT_TWICE)
        declared = int.from_bytes(packet[1:4], "big")
        if declared != len(packet) - 4:
            raise FormatError(Reason.COMMENT_DAMAGED, f"{declared} bytes declared, {len(packet) - 4} found")
        return 4

    def comment_mark(self, old: bytes, size_bytes: int) -> bytes:
        if size_bytes > _FLAC_MAX_BLOCK_BYTES:
            raise FormatError(Reason.COMMENT_TOO_LARGE)
        return old[:1] + size_bytes.to_bytes(3, "big")

    def recording(self, packets: Sequence[bytes]) -> tuple[bytes, ...]:
        """STREAMINFO and the blocks that no tag editor touches, without their place in the row."""
        others = ((packet[0] & ~_FLAC_LAST, packet[4:]) for packet in packets[2:] if packet)
        tags = (_FLAC_PADDING, _FLAC_COMMENT, _FLAC_PICTURE)
        return (packets[0][_FLAC_STREAMINFO_AT:], *(bytes((kind,)) + body for kind, body in others if kind not in tags))

    def foreign(self, packets: Sequence[bytes]) -> tuple[bytes, ...]:
        return tuple(packets[2:])

    def length(self, head: bytes, granule: int) -> tuple[float | None, int | None]:
        bits = int.from_bytes(head[_FLAC_STREAMINFO_AT + 10 : _FLAC_STREAMINFO_AT + 14], "big")
        rate_hz, channels = bits >> 12, (bits >> 9 & 7) + 1
        return (granule / rate_hz if granule > 0 and rate_hz else None), channels


def _is_comment(packet: bytes) -> bool:
    return bool(packet) and packet[0] & ~_FLAC_LAST == _FLAC_COMMENT


VORBIS_CODEC = _Marked(
    name="vorbis",
    mark=b"\x01vorbis",
    head_bytes=30,
    comment=b"\x03vorbis",
    headers=3,
    rate_at=12,
    channels_at=11,
)
OPUS_CODEC = _Opus(
    name="opus",
    mark=b"OpusHead",
    head_bytes=19,
    comment=b"OpusTags",
    headers=2,
    rate_at=12,
    channels_at=9,
)
SPEEX_CODEC = _Speex(
    name="speex",
    mark=b"Speex   ",
    head_bytes=80,
    comment=b"",
    headers=2,
    rate_at=36,
    channels_at=48,
)
FLAC_CODEC = _Flac()
