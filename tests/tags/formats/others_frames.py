"""Tags as DJ software, Picard, iTunes and Windows leave them, and frames of every kind that are none of our business.

Serato: https://github.com/Holzhaus/serato-tags; Traktor: PRIV:TRAKTOR4; Mixed In Key: TKEY, comments, TXXX:EnergyLevel.
"""

import base64
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import mutagen.flac
import mutagen.mp4

from tests.tags.formats.id3_bytes import frame, synchsafe, tag

_BYTES = bytes(range(256))
_MARKERS = base64.b64encode(b"\1\1CUE\0\0\0\0\r\0\1\0\0\x10\0\0\xcc\0\0\0\0one\0" + _BYTES)


def _serato(name: bytes, data: bytes) -> bytes:
    return b"\0application/octet-stream\0\0" + name + b"\0" + data


def _of_one_program_or_another() -> list[tuple[bytes, bytes]]:
    """Name and body of frames that are the same in versions 2.3 and 2.4."""
    return [
        (b"GEOB", _serato(b"Serato Analysis", b"\2\1")),
        (b"GEOB", _serato(b"Serato Autotags", b"\1\x01124.00\0-4.000\0000.000\0")),
        (b"GEOB", _serato(b"Serato Markers_", b"\2\5\0\0\0\x0e" + b"\x7f" * 240)),
        (b"GEOB", _serato(b"Serato Markers2", b"\1\1" + _MARKERS.ljust(468, b"\0"))),
        (b"GEOB", _serato(b"Serato BeatGrid", b"\1\0\0\0\0\1\x3d\xcc\xcc\xcd\x42\xf8\0\0\0")),
        (b"GEOB", _serato(b"Serato Overview", b"\1\5" + _BYTES * 15)),
        (b"PRIV", b"TRAKTOR4\0DMRT" + _BYTES * 12),
        (b"TKEY", b"\0008A"),
        (b"TBPM", b"\000124"),
        (b"COMM", b"\0eng\0008A - Energy 7"),
        (b"TXXX", b"\0EnergyLevel\0007"),
        (b"TXXX", b"\1" + "SERATO_PLAYCOUNT\0".encode("utf-16") + "3\0".encode("utf-16")),
        (b"UFID", b"http://musicbrainz.org\00089ad4ac3-39f7-470e-963a-56509c546377"),
        (b"TXXX", b"\0MusicBrainz Album Id\000ca9d0d43-bd4c-3c8e-9b1c-1a2b3c4d5e6f"),
        (b"TXXX", b"\0Acoustid Id\0005f3c2f1e-6c4b-4f7a-9d39-0f9a1b2c3d4e"),
        (b"COMM", b"\0engiTunNORM\0" + b" 000003A2 000003B1" * 5 + b"\0"),
        (b"TCMP", b"\0001\0"),
        (b"PRIV", b"WM/MediaClassPrimaryID\0" + _BYTES[:16]),
        (b"PRIV", b"WM/Provider\0" + "AMG\0".encode("utf-16-le")),
        (b"USLT", b"\0engwords\0la la la"),
        (b"USLT", b"\1deu" + "Worte\0".encode("utf-16") + "la la lä".encode("utf-16")),
        (b"SYLT", b"\0eng\2\1\0one\0\0\0\0\0two\0\0\0\3\xe8"),
        (b"POPM", b"user@example.org\0\xc4\0\0\0\7"),
        (b"PCNT", b"\0\0\0\7"),
        (b"MCDI", _BYTES * 2),
        (b"ETCO", b"\2\3\0\0\0\0"),
        (b"WXXX", b"\0shop\0https://example.org/"),
        (b"APIC", b"\0image/png\0\3front\0" + _BYTES * 20),
        (b"APIC", b"\0PNG\0\4back\0" + _BYTES * 10),
    ]


def _known_to_nobody() -> list[tuple[bytes, bytes]]:
    """Unknown frames, and known ones with contents that are wrong and do no harm."""
    return [
        (b"NCON", _BYTES),
        (b"XSOP", b"\0Artist, The"),
        (b"ZZZZ", b"\0"),
        (b"RGAD", b"\0\0\x80\0\x2c\x3d\0\0"),
        (b"TPE2", b"\7of an unknown encoding"),
        (b"TPE4", b"\3not UTF-8: \xe9\xff"),
        (b"TCOM", b"\1\xff\xfeo\0d\0d"),
        (b"COMM", b"\0"),
        (b"TYER", b"\0nineteen"),
        (b"RVRB", b"\xff"),
    ]


def _flagged(version: int) -> list[tuple[bytes, bytes, bytes]]:
    """Frames that are compressed, encrypted, of a group, read-only; (name, body, flags)."""
    text, packed = b"\0Composer", zlib.compress(b"\0Composer")
    if version == 3:
        return [
            (b"TCOM", len(text).to_bytes(4, "big") + packed, b"\0\x80"),
            (b"TEXT", b"\x80" + _BYTES, b"\0\x40"),
            (b"TPE3", b"\x90\0Conductor", b"\0\x20"),
            (b"TCOP", b"\0002001 Somebody", b"\xe0\0"),
        ]
    return [
        (b"TCOM", synchsafe(len(text)) + packed, b"\0\x09"),
        (b"TEXT", b"\x80" + synchsafe(len(_BYTES)) + _BYTES, b"\0\x05"),
        (b"TPE3", b"\x90\0Conductor", b"\0\x40"),
        (b"TCOP", b"\0002001 Somebody", b"\x70\0"),
        (b"PRIV", synchsafe(4) + b"x\0\xff\0\xe0", b"\0\x03"),
    ]


def _chapters(version: int) -> list[tuple[bytes, bytes]]:
    def chapter(name: bytes) -> bytes:
        within = frame(version, b"TIT2", b"\0" + name) + frame(version, b"ZZZZ", b"unknown")
        return name + b"\0" + b"\0\0\0\0\0\0\1\0" + b"\xff" * 8 + within

    contents = b"toc\0\3\2one\0two\0" + frame(version, b"TIT2", b"\0Contents")
    return [(b"CTOC", contents), (b"CHAP", chapter(b"one")), (b"CHAP", chapter(b"two"))]


def frames(version: int) -> list[bytes]:
    """All of them, raw; the last one is empty."""
    volume = (b"RVA2", b"track\0\1\xfe\0\0") if version == 4 else (b"RVAD", b"\3\x10\0\1\0\1\0\0\0\0")
    plain = [(b"TIT2", b"\0Title"), *_of_one_program_or_another(), volume, *_chapters(version), *_known_to_nobody()]
    found = [frame(version, name, body) for name, body in plain]
    return [*found, *(frame(version, *one) for one in _flagged(version)), frame(version, b"TSIZ", b"")]


def id3(kind: str, version: int, *first: bytes) -> Callable[[Path], None]:
    """A tag of all of them, and of other frames in front, in an MP3, WAV or AIFF."""
    made = tag(version, 0, b"".join((*first, *frames(version))) + bytes(200))

    def dressed(path: Path) -> None:
        content = path.read_bytes()
        if kind == "mp3":
            path.write_bytes(made + content)
            return
        length, name = struct.Struct("<I" if kind == "wav" else ">I"), b"id3 " if kind == "wav" else b"ID3 "
        content += name + length.pack(len(made)) + made + bytes(len(made) % 2)
        path.write_bytes(content[:4] + length.pack(len(content) - 8) + content[8:])

    return dressed


def comments(path: Path) -> None:
    """Serato in FLAC: base64 in lines of 72 characters."""
    file = mutagen.flac.FLAC(path)
    file["TITLE"], file["INITIALKEY"], file["ENERGYLEVEL"] = "Title", "8A", "7"
    for name in ("SERATO_ANALYSIS", "SERATO_MARKERS_V2", "SERATO_BEATGRID", "SERATO_OVERVIEW"):
        file[name] = base64.encodebytes(b"application/octet-stream\0\0" + name.encode() + b"\0" + _BYTES).decode()
    file["MUSICBRAINZ_TRACKID"] = "89ad4ac3-39f7-470e-963a-56509c546377"
    file.save()


def atoms(path: Path) -> None:
    """Serato, Mixed In Key, Picard and iTunes in M4A."""
    file = mutagen.mp4.MP4(path)
    file["\xa9nam"], file["tmpo"], file["cpil"] = "Title", [124], True
    for name in ("analysisVersion", "markersv2", "beatgrid", "overview", "autgain"):
        file[f"----:com.serato.dj:{name}"] = base64.encodebytes(_BYTES)
    file["----:com.mixedinkey.mixedinkey:key"] = base64.b64encode(b'{"key": "8A"}')
    file["----:com.apple.iTunes:iTunNORM"] = b" 000003A2 000003B1" * 5
    file["----:com.apple.iTunes:MusicBrainz Track Id"] = b"89ad4ac3-39f7-470e-963a-56509c546377"
    file.save()
