"""Vorbis comments and FLAC's metadata blocks made byte by byte, with what is found in them in the wild."""

from collections.abc import Sequence
from pathlib import Path

STREAMINFO, PADDING, APPLICATION, SEEKTABLE, COMMENT, CUESHEET, PICTURE, UNKNOWN = 0, 1, 2, 3, 4, 5, 6, 100
Block = tuple[int, bytes]
"""Type and body."""

FOUND = (
    b"TITLE=Title",
    b"title=again, in another spelling",
    b"no equals sign at all",
    b"=no key",
    b"EMPTY=",
    b"ARTIST=B\xf6rk",
    b"K\xc3\xa9y=not of plain ASCII",
    b"SERATO_MARKERS_V2=YXBwbGljYXRpb24v\nb2N0ZXQtc3RyZWFt\nAFNlcmF0byBNYXJrZXJzMgA\n",
    b"TRAKTOR4=" + bytes(range(1, 128)),
    b"genre=Ambient",
    b"GENRE=Noise",
    b"METADATA_BLOCK_PICTURE=" + b"AAAAAwAAAAlpbWFnZS9wbmc" * 9_000,
    b"XMOOD=somebody's",
    b"NUL=a\0b",
)
"""Entries of a comment: DJ software's with line feeds, a picture, doubled keys, wrong UTF-8, no `=`."""


def comment(*entries: bytes, vendor: bytes = b"Odd \xff vendor\n") -> bytes:
    counted = b"".join(len(entry).to_bytes(4, "little") + entry for entry in entries)
    return len(vendor).to_bytes(4, "little") + vendor + len(entries).to_bytes(4, "little") + counted


def split(content: bytes) -> tuple[list[Block], bytes]:
    """The blocks of a FLAC, and its frames."""
    found: list[Block] = []
    position, last = 4, False
    while not last:
        length = int.from_bytes(content[position + 1 : position + 4], "big")
        last = content[position] >= 0x80
        found.append((content[position] & 0x7F, content[position + 4 : position + 4 + length]))
        position += 4 + length
    return found, content[position:]


def joined(blocks: Sequence[Block], frames: bytes) -> bytes:
    last = len(blocks) - 1
    heads = (
        bytes((kind | (number == last) << 7,)) + len(body).to_bytes(3, "big")
        for number, (kind, body) in enumerate(blocks)
    )
    return b"fLaC" + b"".join(head + body for head, (_, body) in zip(heads, blocks, strict=True)) + frames


def as_it_is_found(path: Path) -> None:
    """Blocks of every type in an odd order, the padding in pieces too small to write into."""
    blocks, frames = split(path.read_bytes())
    track = bytes(8) + b"\x01" + bytes(12) + bytes(14) + b"\x01" + bytes(8) + b"\x01" + bytes(3)
    lead_out = (44_100).to_bytes(8, "big") + b"\xaa" + bytes(12) + bytes(14) + b"\0"
    cuesheet = bytes(128) + (88_200).to_bytes(8, "big") + b"\x80" + bytes(258) + b"\x02" + track + lead_out
    picture = b"\0\0\0\x03\0\0\0\x09image/png" + bytes(20) + (70_000).to_bytes(4, "big") + bytes(70_000)
    made = [
        blocks[0],
        (PADDING, b""),
        (APPLICATION, b"test" + bytes(range(256))),
        (UNKNOWN, b"of a type that does not exist yet"),
        (PADDING, b"\0"),
        (CUESHEET, cuesheet),
        (COMMENT, comment(*FOUND)),
        (PADDING, b"not only zeros"),
        (PICTURE, picture),
        (APPLICATION, b"riff" + bytes(16)),
        (SEEKTABLE, b"\xff" * 8 + bytes(10)),
    ]
    path.write_bytes(joined(made, frames))
