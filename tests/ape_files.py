"""Files that carry APE tags, for which no encoder can be had everywhere, and the tags, byte for byte."""

import base64
import struct
from collections.abc import Sequence
from pathlib import Path

KINDS = {"musepack 7": "mpc", "musepack 8": "mpc", "monkeys": "ape"}
"""Kind -> suffix."""

_MUSEPACK_8 = """
TVBDS1NIDRZ1zIQIiQAABRtSRwwBAAAAAAAAAABFSQdRAR4BU08IgmwAAABBUIJk4B2u0PpBBA4yDEYAMC0gFAKgBwtOACLQByPv+/8/s/7NmbmpR7O3
g1Iq1yEI9MdGwD/fspUCf8uGVCF66j5DZk/yEaehtw+atIh0ZfyMKJ9+/dPAcBkJdevG3+jVXh4N++ElUfQLSSZAw6xWCf8PAkMAijuhyMV33/2vHsQy
MSHDzrAjruzfbt+vl9q4Tze9Hkegm90EYTzTn7tLuQa6/PECIDmb7+skrJVq4Ttb2fKlut1wUPM/ikAgXBK68gajHPVDNNJAd6JjS7OXaGLIHlu9fsdB
C163CO7Mm0y3K20UN1rU7DYvr+YLoa8oCTkyTsagitRkMLEA0r/GB8gABgsCgAoFFAG6ABQKKAN9ABAKBAN5ACgUIAAAAUACT4L8iLyjfF7kCBAgQIEC
BAgQIECBAgQIECBAgQIf4EO43//gAAAAAAAANQ8D//wACYgH//gAEyAP////aG4H////gFNUBgESwFNFAw==
"""
"""1,152 samples of a sine tone, as mpcenc wrote them."""


def write(folder: Path, kind: str) -> Path:
    """A file of one of KINDS without any tag."""
    made = {"musepack 7": musepack_7, "musepack 8": musepack_8, "monkeys": monkeys_audio}[kind]
    path = folder / f"track.{KINDS[kind]}"
    path.write_bytes(made())
    return path


def untagged(content: bytes) -> bytes:
    """Without the APE tag that FFmpeg gives to a WavPack file."""
    return content.partition(b"APETAGEX")[0]


def musepack_8() -> bytes:
    return base64.b64decode(_MUSEPACK_8)


def musepack_7(frames: int = 3) -> bytes:
    """Frames of silence: 20 bits of length, then four bits a channel that say that the first band is empty, and one bit
    that the second is as the first. Musepack's own decoder wants two bands at least."""
    head = b"MP+\7" + struct.pack("<II12x", frames, 1 << 24 | 10 << 20)
    bits = f"{0x73:08b}" + frames * (f"{10:020b}" + 8 * "0" + "11") + f"{1152:011b}"
    bits += "0" * (64 + -len(bits) % 32)
    words = (int(bits[at : at + 32], 2) for at in range(0, len(bits), 32))
    return head + b"".join(struct.pack("<I", word) for word in words)


def monkeys_audio() -> bytes:
    """One frame whose flags say that both channels are silent; version 3.99."""
    frame = struct.pack("<II8x", 1 << 31, 3)
    descriptor = b"MAC " + struct.pack("<HHIIIIIII16x", 3990, 0, 52, 24, 4, 0, len(frame), 0, 0)
    header = struct.pack("<HHIIIHHI", 2000, 0, 73_728, 4_608, 1, 16, 2, 44_100)
    return descriptor + header + struct.pack("<I", 52 + 24 + 4) + frame


def item(key: bytes, value: bytes, flags: int = 0) -> bytes:
    return struct.pack("<II", len(value), flags) + key + b"\0" + value


def tag(*items: bytes, version: int = 2000, header: bool = True, count: int | None = None, larger: int = 0) -> bytes:
    """A tag; `count` and `larger` make it lie about its items and its size."""
    body = b"".join(items)
    numbers = (version, len(body) + 32 + larger, len(items) if count is None else count)
    flags = 1 << 31 if header else 0
    footer = b"APETAGEX" + struct.pack("<IIII8x", *numbers, flags)
    return (b"APETAGEX" + struct.pack("<IIII8x", *numbers, flags | 1 << 29) if header else b"") + body + footer


def lyrics3(text: bytes = b"IND0000200") -> bytes:
    body = b"LYRICSBEGIN" + text
    return body + b"%06d" % len(body) + b"LYRICS200"


def id3v1(title: bytes = b"Old title") -> bytes:
    return b"TAG" + title.ljust(30) + bytes(60) + b"1987" + bytes(30) + b"\x11"


def id3v2(*frames: Sequence[bytes]) -> bytes:
    """A tag of version 2.4 with text frames (id, Latin-1 text)."""
    body = b"".join(name + struct.pack(">I", len(text) + 1) + b"\0\0\0" + text for name, text in frames)
    return b"ID3\4\0\0" + struct.pack(">I", len(body)) + body
