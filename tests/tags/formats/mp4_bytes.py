"""MP4 metadata made atom by atom, and M4A files with such metadata in all the places where it is found."""

from collections.abc import Iterator
from pathlib import Path

ID3V1 = b"TAG" + b"Old title".ljust(30, b"\0") + bytes(94) + b"\x11"


def atom(name: bytes, *body: bytes) -> bytes:
    content = b"".join(body)
    return (8 + len(content)).to_bytes(4, "big") + name + content


def data(value: bytes, kind: int = 1) -> bytes:
    return atom(b"data", kind.to_bytes(4, "big") + bytes(4) + value)


def text(name: bytes, value: bytes) -> bytes:
    return atom(name, data(value))


def freeform(mean: bytes, name: bytes, value: bytes, kind: int = 1) -> bytes:
    return atom(b"----", atom(b"mean", bytes(4) + mean), atom(b"name", bytes(4) + name), data(value, kind))


def handler(kind: bytes) -> bytes:
    return atom(b"hdlr", bytes(8) + kind + b"appl" + bytes(9))


def listed(*entries: bytes) -> bytes:
    """iTunes' list in its meta atom."""
    return atom(b"meta", bytes(4), handler(b"mdir"), atom(b"ilst", *entries))


def keyed(values: dict[bytes, bytes], version: bytes = bytes(4)) -> bytes:
    """QuickTime's list of numbered keys, as FFmpeg (`use_metadata_tags`) and, without a version, Apple write it."""
    keys = atom(b"keys", bytes(4), len(values).to_bytes(4, "big"), *(atom(b"mdta", key) for key in values))
    entries = (atom(number.to_bytes(4, "big"), data(value)) for number, value in enumerate(values.values(), start=1))
    return atom(b"meta", version, handler(b"mdta"), keys, atom(b"ilst", *entries))


def quicktime_text(name: bytes, value: bytes) -> bytes:
    """A text right in the user data: its length, its language, itself."""
    return atom(name, len(value).to_bytes(2, "big"), b"\x15\xc7", value)


def atoms(content: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= stop:
        end = start + int.from_bytes(content[start : start + 4], "big")
        yield content[start + 4 : start + 8], start, end
        start = end


def with_moov(content: bytes, *more: bytes) -> bytes:
    """A file whose moov comes last, these atoms in the place of its user data."""
    start, stop = next((start, stop) for name, start, stop in atoms(content, 0, len(content)) if name == b"moov")
    assert stop == len(content)
    kept = (content[at:end] for name, at, end in atoms(content, start + 8, stop) if name != b"udta")
    return content[:start] + atom(b"moov", *kept, *more)


def as_it_is_found(path: Path) -> None:
    """What iTunes, Windows, Nero and DJ software leave in one file, some of it twice, and an ID3v1 tag at the end."""
    covers = atom(b"covr", data(bytes(3_000), 13), atom(b"name", b"\0\0\0\0front"), data(bytes(range(256)) * 20, 14))
    entries = (
        text(b"\xa9nam", b"Title"),
        text(b"\xa9nam", b"Another"),
        atom(b"gnre", data(b"\0\x12", 0)),
        atom(b"trkn", data(b"\0\0\0\1\0\2", 0)),
        freeform(b"com.apple.iTunes", b"iTunSMPB", b" 00000000 00000840 000001CA 00000000003F31F6"),
        freeform(b"com.apple.iTunes", b"GENRE", b"Ska"),
        freeform(b"com.serato.dj", b"markersv2", b"YXBwbGljYXRpb24v\nb2N0ZXQtc3RyZWFt"),
        freeform(b"com.serato.dj", b"analysisVersion", b"\xff\xfe\0\1", 0),
        freeform(b"com.example", b"MOOD", b"somebody's"),
        covers,
        atom(b"geID", data(b"\0\0\0\x0e", 21)),
        atom(b"wxyz", b"\0\1\2"),
    )
    more = (atom(b"Xtra", bytes(range(40))), atom(b"chpl", b"\1" + bytes(7) + b"\1" + bytes(8) + b"\5Intro"))
    meta = atom(b"meta", bytes(4), handler(b"mdir"), atom(b"ilst", *entries), atom(b"free", bytes(20)))
    made = with_moov(path.read_bytes(), atom(b"udta", more[0], meta, more[1]), atom(b"uuid", bytes(range(16)), b"moov"))
    behind = (atom(b"free", b"somebody's own"), atom(b"uuid", bytes(range(16)), b"XMP"), atom(b"skip", bytes(9)))
    path.write_bytes(made + b"".join(behind) + ID3V1)
