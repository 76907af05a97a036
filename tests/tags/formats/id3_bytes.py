"""ID3 tags made byte by byte, as no library of today writes them any more; each put in front of an MP3."""

from collections.abc import Callable
from pathlib import Path

TITLE = b"\1\xff\xfeT\0\xff\0"  # UTF-16: its mark and its letter have to be unsynchronised
PICTURE = b"\0image/jpeg\0\3\0\xff\xd8\xff\xe0\xff\0\xff\xff\0" + bytes(range(256)) * 8 + b"\xff"
MOOD = b"\1\xff\xfem\0o\0o\0d\0\0\0\xff\xfeS\0a\0d\0"


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def unsynchronised(data: bytes) -> bytes:
    """The specification's own words: a zero behind each 0xFF that a zero, or three set bits, follow, or nothing."""
    out = bytearray()
    for at, byte in enumerate(data):
        out.append(byte)
        if byte == 0xFF and (at + 1 == len(data) or data[at + 1] == 0 or data[at + 1] >= 0xE0):
            out.append(0)
    return bytes(out)


def tag(version: int, flags: int, body: bytes) -> bytes:
    header = bytes((version, 0, flags)) + synchsafe(len(body))
    return b"ID3" + header + body + (b"3DI" + header if flags & 0x10 else b"")


def frame(version: int, name: bytes, body: bytes, flags: bytes = b"\0\0") -> bytes:
    if version == 2:
        return name + len(body).to_bytes(3, "big") + body
    return name + (synchsafe(len(body)) if version == 4 else len(body).to_bytes(4, "big")) + flags + body


def unsynchronised_frame(name: bytes, body: bytes) -> bytes:
    """As version 2.4 has it: frame by frame, with the length of the data in front."""
    return frame(4, name, synchsafe(len(body)) + unsynchronised(body), b"\0\3")


def plain_frame(name: bytes, body: bytes) -> bytes:
    """Version 2.4 as iTunes wrote it: a size of eight bits a byte."""
    return frame(3, name, body)


V22 = frame(2, b"TT2", TITLE) + frame(2, b"PIC", b"\0JPG\3\0" + PICTURE) + frame(2, b"TXX", b"\0mood\0Sad")
V23 = frame(3, b"TIT2", TITLE) + frame(3, b"APIC", PICTURE) + frame(3, b"PRIV", b"x\0\xff\xff\xe0\0\xff")
V24 = frame(4, b"TIT2", b"\3Title") + frame(4, b"TXXX", b"\3replaygain\0-3 dB")
V24_PLAIN = plain_frame(b"TCON", b"\3Ambient") + plain_frame(b"APIC", PICTURE) + plain_frame(b"TIT2", b"\3Title")
PADDING = bytes(600)

TAGS = {
    "mp3 v2.2": tag(2, 0, V22 + PADDING),
    "mp3 v2.2 unsynchronised": tag(2, 0x80, unsynchronised(V22 + PADDING)),
    "mp3 v2.3 unsynchronised": tag(3, 0x80, unsynchronised(V23 + PADDING)),
    "mp3 v2.3 unsynchronised, without room": tag(3, 0x80, unsynchronised(V23)),
    "mp3 v2.3 with an extended header": tag(3, 0x40, b"\0\0\0\6\0\0" + len(PADDING).to_bytes(4, "big") + V23 + PADDING),
    "mp3 v2.4 with an extended header": tag(4, 0x40, synchsafe(6) + b"\1\0" + V24 + PADDING),
    "mp3 v2.4 with the flag of an extended header and none": tag(4, 0x40, V24 + PADDING),
    "mp3 v2.4 with a footer": tag(4, 0x10, V24),
    "mp3 v2.4 with a stray footer": tag(4, 0, V24) + b"3DI\4\0\0" + synchsafe(len(V24)),
    "mp3 v2.4 unsynchronised": tag(
        4, 0x80, unsynchronised_frame(b"APIC", PICTURE) + unsynchronised_frame(b"TXXX", MOOD) + V24 + PADDING
    ),
    "mp3 v2.4 with plain sizes": tag(4, 0, V24_PLAIN + PADDING),
    "mp3 with two tags": tag(3, 0, V23) + tag(4, 0, frame(4, b"TPE1", b"\3Artist") + PADDING),
}


def in_front(of: str) -> Callable[[Path], None]:
    def dressed(path: Path) -> None:
        path.write_bytes(TAGS[of] + path.read_bytes())

    return dressed
