"""Ogg pages: reading them, laying packets out anew, and changing a page's number without reading its body.

Format: https://www.rfc-editor.org/rfc/rfc3533
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tagger.tags.formats.base import Copy, FormatError, Literal, Plan, Segment
from tagger.tags.refusals import Reason
from tagger.tags.splice import cut, size

HEADER_BYTES = 27
CONTINUED, FIRST, LAST = 1, 2, 4
MAX_NUMBER = (1 << 32) - 1  # of a page
_POLYNOMIAL = 0x04C11DB7
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MAX_SEGMENTS = 255
_ID3V1_BYTES = 128
_NO_PACKET_ENDS = b"\xff" * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a page lies and what its header says."""

    offset: int
    header: bytes  # with the lacing values
    body_length: int

    @property
    def flags(self) -> int:
        return self.header[5]

    @property
    def granule(self) -> int:
        return int.from_bytes(self.header[6:14], "little", signed=True)

    @property
    def serial(self) -> bytes:
        return self.header[14:18]

    @property
    def number(self) -> int:
        return int.from_bytes(self.header[18:22], "little")

    @property
    def lacing(self) -> bytes:
        return self.header[HEADER_BYTES:]

    @property
    def body_offset(self) -> int:
        return self.offset + len(self.header)

    @property
    def end(self) -> int:
        return self.body_offset + self.body_length


def pages(file: BinaryIO) -> Iterator[Page]:
    """The pages of a file, one after the other, up to an ID3v1 tag at its end. Raises FormatError at other bytes."""
    size_bytes = file.seek(0, os.SEEK_END)
    position = 0
    while position < size_bytes:
        file.seek(position)
        head = file.read(HEADER_BYTES + _MAX_SEGMENTS)
        if head.startswith(b"TAG") and position == size_bytes - _ID3V1_BYTES:
            return
        if len(head) < HEADER_BYTES or head[:5] != b"OggS\0":
            raise FormatError(Reason.OGG_TRAILING, f"at byte {position}")
        header = head[: HEADER_BYTES + head[26]]
        page = Page(offset=position, header=header, body_length=sum(header[HEADER_BYTES:]))
        if page.end > size_bytes:
            raise FormatError(Reason.DAMAGED, "the last page is cut short")
        yield page
        position = page.end


def paginate(packets: Sequence[Plan], least_pages: int) -> list[tuple[int, bytes, bytes, Plan]]:
    """Flags, granule, lacing and body of the pages that carry these header packets.

    As few pages as can be, but `least_pages` where the packets can be split so far: then no later page changes.
    """
    whole: Plan = tuple(segment for packet in packets for segment in packet)
    lacing: list[int] = []
    ends: set[int] = set()  # behind which lacing value a packet ends
    for packet in packets:
        full, rest = divmod(size(packet), 255)
        lacing += [255] * full + [rest]
        ends.add(len(lacing))
    count = min(max(least_pages, -(-len(lacing) // _MAX_SEGMENTS)), len(lacing))
    found, start, position = [], 0, 0
    for number in range(count):
        left = count - number - 1  # each of the pages to come needs a value
        stop = min(start + _MAX_SEGMENTS, len(lacing) - left)
        part = lacing[start:stop]
        flags = CONTINUED if start and start not in ends else 0
        granule = bytes(8) if any(end in ends for end in range(start + 1, stop + 1)) else _NO_PACKET_ENDS
        found.append((flags, granule, bytes(part), tuple(cut(whole, position, sum(part)))))
        start, position = stop, position + sum(part)
    return found


def build(
    flags: int, granule: bytes, serial: bytes, number: int, lacing: bytes, body: Plan, file: BinaryIO
) -> list[Segment]:
    """A page as segments over the file that `body` copies from."""
    head = b"OggS\0" + bytes((flags,)) + granule + serial + number.to_bytes(4, "little")
    rest = bytes((len(lacing),)) + lacing
    content = b"".join(_bytes(segment, file) for segment in body)
    checksum = crc(head + bytes(4) + rest + content)
    return [Literal(head + checksum.to_bytes(4, "little") + rest), *body]


def renumbered(page: Page, number: int) -> list[Segment]:
    """The page with another number. The checksum is linear: what changes in it follows from the change alone."""
    change = bytes(a ^ b for a, b in zip(page.header[18:22], number.to_bytes(4, "little"), strict=True))
    behind = len(page.header) - 22 + page.body_length
    checksum = int.from_bytes(page.header[22:26], "little") ^ _past_zeros(crc(change), behind)
    head = page.header[:18] + number.to_bytes(4, "little") + checksum.to_bytes(4, "little") + page.header[26:]
    return [Literal(head), Copy(page.body_offset, page.body_length)]


def is_intact(page: Page, file: BinaryIO) -> bool:
    """Whether the page's checksum is right; reads its body."""
    file.seek(page.body_offset)
    content = page.header[:22] + bytes(4) + page.header[26:] + file.read(page.body_length)
    return crc(content).to_bytes(4, "little") == page.header[22:26]


def crc(content: bytes) -> int:
    """Ogg's checksum: CRC-32 with the bits of each byte mirrored, and its own; from zero, and nothing inverted."""
    mirrored = zlib.crc32(content.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _past_zeros(value: int, count: int) -> int:
    """The checksum `value` after `count` more zero bytes: a product by x ** (8 * count) modulo the polynomial."""
    power, factor = 1 << 8, count
    while factor:
        if factor & 1:
            value = _times(value, power)
        power = _times(power, power)
        factor >>= 1
    return value


def _times(first: int, second: int) -> int:
    """Product of two polynomials over GF(2), modulo the checksum's."""
    product = 0
    while second:
        if second & 1:
            product ^= first
        first <<= 1
        if first >> 32:
            first ^= 1 << 32 | _POLYNOMIAL
        second >>= 1
    return product


def _bytes(segment: Segment, file: BinaryIO) -> bytes:
    if isinstance(segment, Literal):
        return segment.data
    file.seek(segment.offset)
    return file.read(segment.length)
