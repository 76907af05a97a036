"""The stream header of a Musepack file of version 8; mutagen's reader of it never ends on a packet of size 0.

Format: https://trac.musepack.net/musepack/wiki/SV8Specification
"""

from typing import BinaryIO

_RATES_HZ = (44_100, 48_000, 37_800, 32_000)
_MAX_PACKETS = 64  # before the stream header, which is the first that real files have
_HEAD_BYTES = 64  # no stream header is longer


def stream(file: BinaryIO, start: int) -> tuple[float, int]:
    """Declared length in seconds, and channels, of the file whose `MPCK` is at `start`.

    Raises ValueError where there is no stream header.
    """
    position = start + 4
    for _ in range(_MAX_PACKETS):
        file.seek(position)
        packet = file.read(_HEAD_BYTES)
        size_bytes, behind = _number(packet, 2)  # counts key and size, too
        if packet[:2] == b"SH":
            return _header(packet[behind:size_bytes])
        if size_bytes < behind:
            break
        position += size_bytes
    raise ValueError("no stream header")


def _header(body: bytes) -> tuple[float, int]:
    """CRC, version, samples, silence at the begin, then 3 bits of rate, 5 of bands, 4 of channels."""
    samples, position = _number(body, 5)
    silence, position = _number(body, position)
    if len(body) < position + 2 or body[position] >> 5 >= len(_RATES_HZ):
        raise ValueError("damaged stream header")
    return max(0, samples - silence) / _RATES_HZ[body[position] >> 5], (body[position + 1] >> 4) + 1


def _number(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, highest first, and where it ends."""
    number = 0
    for index, byte in enumerate(data[position : position + 9], start=position + 1):
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            return number, index
    raise ValueError("a number without end")
