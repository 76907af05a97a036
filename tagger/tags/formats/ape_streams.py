"""Length and channels of Monkey's Audio, WavPack and Musepack, as the heads of their streams declare them.

mutagen reads those that are one fixed head; it would look for the length of a WavPack file of unknown length in all of
its blocks, and never end on a Musepack 8 packet of size 0.

Formats: https://www.monkeysaudio.com/developers.html, https://www.wavpack.com/WavPack5FileFormat.pdf,
https://trac.musepack.net/musepack/wiki/SV8Specification
"""

from typing import BinaryIO

from mutagen.monkeysaudio import MonkeysAudioInfo
from mutagen.musepack import MusepackInfo

Stream = tuple[float | None, int | None]
"""Declared length in seconds, channels; None where they are not declared."""

_MONO, _FINAL_BLOCK, _DSD = 1 << 2, 1 << 12, 1 << 31  # flags of a WavPack block
_WAVPACK_RATES_HZ = (
    6_000, 8_000, 9_600, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
    192_000,
)  # fmt: skip
_UNKNOWN_SAMPLES = 0xFFFFFFFF
_MAX_BLOCKS = 4096  # WavPack's own limit of channels
_MUSEPACK_RATES_HZ = (44_100, 48_000, 37_800, 32_000)
_MAX_PACKETS = 64  # before the stream header, which is the first that real files have
_PACKET_HEAD_BYTES = 64  # no stream header is longer


def monkeys_audio(file: BinaryIO, start: int) -> Stream:
    """Of the file whose `MAC ` is at `start`. Raises whatever mutagen raises for a damaged head."""
    file.seek(start)
    info = MonkeysAudioInfo(file)
    return (info.length or None, info.channels) if info.channels else (None, None)


def wavpack(file: BinaryIO, start: int) -> Stream:
    """Of the file whose `wvpk` is at `start`. The blocks of its first samples are counted for the channels."""
    head = _read_at(file, start, 32)
    samples, flags = _little(head, 12), _little(head, 24)
    rate_index = flags >> 23 & 15
    channels = _wavpack_channels(file, start)
    if samples == _UNKNOWN_SAMPLES or flags & _DSD or rate_index == len(_WAVPACK_RATES_HZ):
        return None, channels
    samples += head[11] * _UNKNOWN_SAMPLES  # the digit above, in base 2 ** 32 - 1: that number means unknown
    return samples / _WAVPACK_RATES_HZ[rate_index], channels


def musepack(file: BinaryIO, start: int) -> Stream:
    """Of the file whose `MP+` or `MPCK` is at `start`. Raises ValueError, or what mutagen does, for a damaged head."""
    if _read_at(file, start, 4) == b"MPCK":
        return _musepack_8(file, start)
    file.seek(start)
    info = MusepackInfo(file)
    return info.length, info.channels


def _wavpack_channels(file: BinaryIO, start: int) -> int | None:
    """Channels of the blocks up to the first that is marked as the last of its samples; None where none is."""
    channels = 0
    for _ in range(_MAX_BLOCKS):
        block = _read_at(file, start, 32)
        if len(block) < 32 or not block.startswith(b"wvpk"):
            return None
        flags = _little(block, 24)
        channels += 1 if flags & _MONO else 2
        if flags & _FINAL_BLOCK:
            return channels
        start += 8 + _little(block, 4)
    return None


def _musepack_8(file: BinaryIO, start: int) -> Stream:
    position = start + 4
    for _ in range(_MAX_PACKETS):
        packet = _read_at(file, position, _PACKET_HEAD_BYTES)
        size_bytes, behind = _number(packet, 2)  # counts key and size, too
        if packet[:2] == b"SH":
            return _stream_header(packet[behind:size_bytes])
        if size_bytes < behind:
            break
        position += size_bytes
    raise ValueError("no stream header")


def _stream_header(body: bytes) -> Stream:
    """CRC, version, samples, silence at the begin; then 3 bits of rate, 5 of bands, 4 of channels."""
    samples, position = _number(body, 5)
    silence, position = _number(body, position)
    if len(body) < position + 2 or body[position] >> 5 >= len(_MUSEPACK_RATES_HZ):
        raise ValueError("damaged stream header")
    return max(0, samples - silence) / _MUSEPACK_RATES_HZ[body[position] >> 5], (body[position + 1] >> 4) + 1


def _number(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, highest first, and where it ends."""
    number = 0
    for index, byte in enumerate(data[position : position + 9], start=position + 1):
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            return number, index
    raise ValueError("a number without end")


def _little(raw: bytes, position: int) -> int:
    return int.from_bytes(raw[position : position + 4], "little")


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
