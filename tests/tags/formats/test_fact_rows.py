"""What the usual libraries lose, row by row of the fact sheet's tables: each stays byte for byte, or is refused.

Every file is built from bytes, written with the whole protocol, and undone to the byte.
"""

import io
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mutagen.flac
import pytest

from tagger.records import (
    Committed,
    Edit,
    FieldEdit,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
    Refused,
)
from tagger.tags.formats.base import Literal, Style
from tagger.tags.formats.detect import by_name
from tagger.tags.formats.ogg_pages import crc, pages
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.undo import prepare_undo
from tagger.tags.write import commit, prepare
from tests import ape_files
from tests.audio import write_audio
from tests.tags.formats.id3_bytes import frame, tag

SUFFIX = {"ogg-vorbis": "ogg", "ogg-opus": "opus"}
NEW = {"TAGGER_GENRE": ("jazz",), "TAGGER_MOOD": ("happy",)}


@dataclass(frozen=True, slots=True)
class Row:
    """A file, and which bytes of it must stand in the new one, in this order. `refused`: it stays as it is, why."""

    kind: str
    dress: Callable[[bytes], bytes]
    stays: tuple[bytes, ...] = ()
    refused: Reason | None = None


def written(row: Row, folder: Path) -> tuple[Path, Prepared | Refused]:
    path = write_audio(folder, row.kind, 0.3)
    path.write_bytes(row.dress(path.read_bytes()))
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection), found
    if found.refusal:
        return path, found.refusal
    edit = Edit(
        path=found.path,
        stat=found.stat,
        container=found.container,
        identity=found.identity,
        fields=tuple(FieldEdit(name=name, old=(), new=values) for name, values in NEW.items()),
        notes={},
        policy=Policy(),
        bundle_id=None,
        carried=found.carried,
    )
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared | Refused), prepared
    return path, prepared


def check(row: Row, folder: Path) -> None:
    path, prepared = written(row, folder)
    if isinstance(prepared, Refused):
        assert prepared.reason == row.refused, prepared
        assert list(folder.iterdir()) == [path]
        return
    assert row.refused is None, "it was written"
    old = path.read_bytes()
    assert isinstance(commit(prepared), Committed)
    new, at = path.read_bytes(), 0
    for one in row.stays:
        assert one in old, "the row is not in its own file"
        assert one in new[at:], one
        at = new.index(one, at) + len(one)
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection)
    assert {name: found.tags.own.get(name) for name in NEW} == NEW
    row_of = JournalRow(id=1, kind=JournalKind.WRITE, state=JournalState.RENAMED, at="", prepared=prepared)
    undo, _ = prepare_undo(os.fsencode(path), [row_of], Policy())
    assert isinstance(undo, Prepared), undo
    assert isinstance(commit(undo), Committed)
    assert path.read_bytes() == old


# --- ID3 (2.2, 2.3) -------------------------------------------------------------------------------------------------


def v23(name: str, body: bytes, flags: bytes = b"\0\0") -> bytes:
    return frame(3, name.encode(), body, flags)


def text(name: str, value: str) -> bytes:
    return v23(name, b"\0" + value.encode("latin-1"))


def mp3(*frames: bytes, version: int = 3, room: int = 300) -> Row:
    body = b"".join(frames) + bytes(room)
    return Row("mp3", lambda audio: tag(version, 0, body) + audio, (bytes((version, 0, 0)), *frames))


TITLE = text("TIT2", "Title")
_CHAP = b"c1\0" + bytes(8) + b"\xff" * 8 + text("TIT2", "chapter") + v23("ZZZZ", b"what is this")
ITUNES = b"APIC\0\0\x01\x2c\0\0" + b"x" * 300 + frame(4, b"TIT2", b"\3x")
ID3 = {
    "years of v2.3": mp3(text("TYER", "1999"), text("TDAT", "3112"), text("TIME", "2359")),
    "original year, involved people": mp3(text("TORY", "1969"), text("IPLS", "producer\0x")),
    "frames that v2.4 has not": mp3(
        text("TRDA", "June"), text("TSIZ", "1"), v23("RVAD", b"\0\x10" + bytes(4)), v23("EQUA", b"\x10")
    ),
    "frames of v2.4 in v2.3": mp3(*(text(one, "2001") for one in ("TSOP", "TSOA", "TSST", "TDRC", "TDRL", "TDTG"))),
    "TMOO in v2.3": mp3(text("TMOO", "Sad")),
    "unknown frames": mp3(v23("NCON", bytes(range(40))), v23("XSOP", b"\0x"), v23("ZZZZ", b"\0\1")),
    "an encrypted frame": mp3(TITLE, v23("TXXX", b"\x80" + bytes(range(20)), b"\0\x40")),
    "an unknown frame in a chapter": mp3(v23("CHAP", _CHAP)),
    "a text without its end": mp3(v23("TPE1", b"\1\xff\xfeA\0")),
    "two values in v2.3": mp3(text("TPE1", "A\0B")),
    "two titles, two comments of one key": mp3(
        TITLE, text("TIT2", "Other"), v23("COMM", b"\0eng\0one"), v23("COMM", b"\0eng\0two")
    ),
    "a genre by numbers": mp3(text("TCON", "(17)(26)Rocky")),
    "a picture of type PNG": mp3(v23("APIC", b"\0PNG\0\3\0" + bytes(range(256)))),
    "an empty text": mp3(v23("TPE2", b"\0"), TITLE),
    "junk as a commercial frame": mp3(v23("COMR", b"\xff\xfe\0")),
    "a text in no known encoding": mp3(v23("TPE1", b"\x09junk"), TITLE),
    "Latin-1 marked as UTF-8": mp3(v23("TPE1", b"\3Bj\xf6rk")),
    "frames that are read-only or to be discarded": mp3(v23("TPE1", b"\0x", b"\xe0\0")),
    "a frame of a group": mp3(v23("TPE1", b"\7\0x", b"\0\x20")),
    "a compressed frame": mp3(
        v23("TPE1", (4).to_bytes(4, "big") + zlib.compress(b"\0abc"), b"\0\x80"),
    ),
    "volumes": mp3(v23("RVA2", b"album\0\1\xfe\0\x10\xff\xff"), v23("RVAD", b"\3\x10" + bytes(range(8)))),
    "UTF-8 in v2.3": mp3(v23("TPE1", "\3Björk".encode())),
    "frames of other programs": mp3(
        v23("PRIV", b"Serato\0" + bytes(range(256))),
        v23("GEOB", b"\0application/octet-stream\0\0Serato Markers2\0" + bytes(range(256))),
        v23("UFID", b"http://musicbrainz.org\0" + bytes(16)),
        v23("POPM", b"a@example.org\0\xff\0\0\0\1"),
        v23("PCNT", b"\0\0\0\7"),
        v23("MCDI", bytes(range(100))),
        v23("USLT", b"\0eng\0words"),
        v23("SYLT", b"\0eng\2\1\0word\0\0\0\0\1"),
        v23("ETCO", b"\2\1\0\0\0\1"),
        v23("LINK", b"TIT2http://example.org\0"),
    ),
    "an order of one's own": mp3(text("TALB", "Album"), text("TRCK", "1"), TITLE, text("TPE1", "Artist")),
    "no room at all": mp3(TITLE, room=0),
    "a frame of size 0": Row(
        "mp3", lambda audio: tag(3, 0, TITLE + v23("TPE1", b"") + bytes(90)) + audio, (TITLE, v23("TPE1", b""))
    ),
    "sizes as iTunes wrote them into v2.4": Row(
        "mp3", lambda audio: tag(4, 0, ITUNES + bytes(90)) + audio, (b"ID3\4\0\0", ITUNES)
    ),
    "v2.5": Row("mp3", lambda audio: tag(5, 0, bytes(40)) + audio, refused=Reason.ID3_VERSION),
    "junk in front of the tag": Row("mp3", lambda audio: b"junk" + tag(3, 0, TITLE) + audio, refused=Reason.ID3_TWICE),
}
_V1 = b"TAG" + b"Title".ljust(30) + b"Artist".ljust(30, b"\0") + bytes(30) + b"1999"
ID3V1 = {
    name: Row("mp3", lambda audio, tail=tail: tag(3, 0, TITLE + bytes(50)) + audio + tail, (TITLE, tail))
    for name, tail in {
        "v1 with a comment and spaces": _V1 + b"a comment of thirty characters" + b"\x11",
        "v1.1 with a track": _V1 + b"comment".ljust(28, b"\0") + b"\0\7\xff",
        "TAG+ in front of v1": b"TAG+" + bytes(223) + _V1 + bytes(30) + b"\x0c",
    }.items()
}
_LYRICS = b"LYRICSBEGININD0000200" + b"LYR00005words"
_LYRICS3 = _LYRICS + b"%06d" % len(_LYRICS) + b"LYRICS200"
_APE = ape_files.tag(ape_files.item(b"Artist", b"Artist"), ape_files.item(b"REPLAYGAIN_TRACK_GAIN", b"-3 dB"))
ID3V1 |= {
    name: Row("mp3", lambda audio, tail=tail: tag(3, 0, TITLE + bytes(50)) + audio + tail, (TITLE, tail))
    for name, tail in {
        "an APE tag": _APE,
        "APE, Lyrics3, v1": _APE + _LYRICS3 + _V1 + bytes(31),
        "Lyrics3, APE, v1": _LYRICS3 + _APE + _V1 + bytes(31),
        "v1, APE": _V1 + bytes(31) + _APE,
    }.items()
}
ID3V1["v1 alone"] = Row("mp3", lambda audio: audio + _V1 + bytes(30) + b"\x11", (_V1 + bytes(30) + b"\x11",))


# --- FLAC (2.5) -----------------------------------------------------------------------------------------------------


def block(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def comment(*entries: bytes, vendor: bytes = b"somebody") -> bytes:
    parts = [vendor, *entries]
    lengths = [len(one).to_bytes(4, "little") + one for one in parts]
    return lengths[0] + len(entries).to_bytes(4, "little") + b"".join(lengths[1:])


def flac(*blocks: bytes, front: bytes = b"", tail: bytes = b"", stays: tuple[bytes, ...] | None = None) -> Row:
    """These metadata blocks behind STREAMINFO, before the frames of an encoder."""

    def dress(audio: bytes) -> bytes:
        at, last = 4, False
        while not last:
            last = bool(audio[at] & 0x80)
            at += 4 + int.from_bytes(audio[at + 1 : at + 4], "big")
        streaminfo = b"\0" + audio[5 : 8 + 34]
        closing = bytes((blocks[-1][0] | 0x80,)) + blocks[-1][1:]
        return front + b"fLaC" + streaminfo + b"".join(blocks[:-1]) + closing + audio[at:] + tail

    return Row("flac", dress, (front, *blocks, tail) if stays is None else stays)


APPLICATION, UNKNOWN = block(2, b"riff" + bytes(range(100))), block(100, bytes(range(50)))
SEEKTABLE = block(3, b"\xff" * 8 + bytes(10) + b"\xff" * 8 + bytes(10))
PADDING = block(1, bytes(4000))
_OURS = comment(b"TITLE=x")
FLAC = {
    "ID3 in front and at the end": flac(
        block(4, _OURS), PADDING, front=tag(3, 0, TITLE), tail=_V1 + bytes(31), stays=(tag(3, 0, TITLE), _V1)
    ),
    "blocks of others": flac(
        APPLICATION, UNKNOWN, SEEKTABLE, block(4, _OURS), PADDING, stays=(APPLICATION, UNKNOWN, SEEKTABLE)
    ),
    "a second comment block": flac(
        block(4, _OURS), block(4, comment(b"TITLE=second")), PADDING, stays=(block(4, comment(b"TITLE=second")),)
    ),
    "several paddings": flac(block(1, bytes(100)), block(4, _OURS), APPLICATION, PADDING, stays=(APPLICATION,)),
    "a padding that holds something": flac(
        block(4, _OURS), block(1, b"hidden" * 100), APPLICATION, PADDING, stays=(APPLICATION,)
    ),
    "a wrong order": flac(PADDING, APPLICATION, block(4, _OURS), stays=(APPLICATION,)),
    "a Latin-1 byte": flac(block(4, comment(b"ARTIST=Bj\xf6rk")), PADDING, stays=(b"ARTIST=Bj\xf6rk",)),
    "an entry without =": flac(block(4, comment(b"just text", b"A=b")), PADDING, stays=(b"just text", b"A=b")),
    "an empty key": flac(block(4, comment(b"=value", b"A=b")), PADDING, stays=(b"=value", b"A=b")),
    "a key that is not ASCII": flac(
        block(4, comment("KÜY=x".encode(), b"A=b")), PADDING, stays=("KÜY=x".encode(), b"A=b")
    ),
    "another vendor": flac(block(4, comment(vendor=b"Lavf57.1")), PADDING, stays=(b"Lavf57.1",)),
}


# --- MP4 (2.7) ------------------------------------------------------------------------------------------------------


def atom(name: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + name + body


def data(body: bytes, kind: int = 1, locale: int = 0) -> bytes:
    return atom(b"data", kind.to_bytes(4, "big") + locale.to_bytes(4, "big") + body)


def freeform(name: bytes, *values: bytes) -> bytes:
    head = atom(b"mean", bytes(4) + b"com.example") + atom(b"name", bytes(4) + name)
    return atom(b"----", head + b"".join(map(data, values)))


def mp4(*entries: bytes, beside: bytes = b"", refused: Reason | None = None) -> Row:
    """These entries in the ilst of a file whose moov stands last."""

    def dress(audio: bytes) -> bytes:
        at = audio.index(b"moov") - 4
        size = int.from_bytes(audio[at : at + 4], "big")
        assert at + size == len(audio)
        handler = atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
        meta = atom(b"meta", bytes(4) + handler + atom(b"ilst", b"".join(entries)))
        moov, children = audio[at + 8 :], b""
        while moov:
            length = int.from_bytes(moov[:4], "big")
            children += b"" if moov[4:8] == b"udta" else moov[:length]
            moov = moov[length:]
        return audio[:at] + atom(b"moov", children + atom(b"udta", beside + meta))

    return Row("m4a", dress, (*((beside,) if beside else ()), *entries), refused)


NAME = atom(b"\xa9nam", data(b"Title"))
MP4 = {
    "a genre by its number": mp4(atom(b"gnre", data(b"\0\x12", 0)), NAME),
    "a second name": mp4(NAME, atom(b"\xa9nam", data(b"Other"))),
    "a free atom twice": mp4(freeform(b"THING", b"1"), freeform(b"THING", b"2")),
    "a locale": mp4(atom(b"\xa9nam", data(b"Title", locale=0x0409))),
    "cpil 5": mp4(atom(b"cpil", data(b"\5", 21)), NAME),
    "trkn of 6 bytes, tmpo of 4": mp4(atom(b"trkn", data(b"\0\0\0\1\0\2", 0)), atom(b"tmpo", data(bytes(3) + b"x", 0))),
    "a text without a type": mp4(atom(b"\xa9ART", data(b"Artist", 0))),
    "an order of one's own": mp4(atom(b"\xa9too", data(b"x")), NAME, atom(b"\xa9alb", data(b"Album"))),
    "unknown and undecodable atoms": mp4(atom(b"zzzz", bytes(range(30))), atom(b"\xa9cmt", data(b"\xff\xfe", 1)), NAME),
    "several covers": mp4(atom(b"covr", data(bytes(range(256)), 13) + data(b"\x89PNG" + bytes(300), 14))),
    "chapters of Nero": mp4(NAME, beside=atom(b"chpl", b"\1\0\0\0\0\0\0\0\1" + bytes(8) + b"\4Nero")),
}


# --- Ogg (2.8) ------------------------------------------------------------------------------------------------------


def _wrong_checksum_in_the_audio(content: bytes) -> bytes:
    last = list(pages(io.BytesIO(content)))[-1]
    made = bytearray(content)
    made[last.end - 1] ^= 1
    return bytes(made)


def _chained(content: bytes) -> bytes:
    """The same serial number again, as some recorders leave it."""
    return content + content


def _opus_comment(extra: bytes) -> Callable[[bytes], bytes]:
    """Bytes behind the comments of an Opus file, on the page of its own that its comment has."""

    def dress(content: bytes) -> bytes:
        second = list(pages(io.BytesIO(content)))[1]
        body = content[second.body_offset : second.end]
        packet = b"OpusTags" + comment(b"TITLE=x") + extra
        assert len(packet) < 255 * 255
        assert body.startswith(b"OpusTags")
        lacing = b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,))
        head = content[second.offset : second.offset + 22] + bytes(4) + bytes((len(lacing),)) + lacing
        checksum = crc(head + packet).to_bytes(4, "little")
        return content[: second.offset] + head[:22] + checksum + head[26:] + packet + content[second.end :]

    return dress


OGG = {
    "more pages than before": Row("ogg-vorbis", lambda content: content),
    "chained, with one serial number": Row("ogg-opus", _chained, refused=Reason.OGG_CHAINED),
    "bytes behind it": Row("ogg-vorbis", lambda content: content + b"junk", refused=Reason.OGG_TRAILING),
    "zeros behind it": Row("ogg-vorbis", lambda content: content + bytes(4096), refused=Reason.OGG_TRAILING),
    "Opus with data to keep": Row("ogg-opus", _opus_comment(b"\1kept" * 9), (b"TITLE=x", b"\1kept" * 9)),
    "Opus with zeros": Row("ogg-opus", _opus_comment(bytes(600)), (b"TITLE=x",)),
}


# --- WAV and AIFF (2.9) ---------------------------------------------------------------------------------------------


def chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)


def wav(*behind: bytes, after: bytes = b"", refused: Reason | None = None) -> Row:
    def dress(content: bytes) -> bytes:
        made = content + b"".join(behind)
        return made[:4] + (len(made) - 8).to_bytes(4, "little") + made[8:] + after

    return Row("wav", dress, (*behind, after) if after else behind, refused)


BEXT, CUE = chunk(b"bext", b"radio".ljust(602, b"\0")), chunk(b"cue ", bytes(28))
INFO = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"name\0") + chunk(b"IGNR", b"Pop\0"))
ID3_CHUNK = chunk(b"ID3 ", tag(3, 0, TITLE + bytes(200)))
WAV = {
    "chunks of others": wav(BEXT, CUE),
    "an INFO with a genre": wav(INFO),
    "a tag in capitals": Row("wav", wav(ID3_CHUNK).dress, (b"ID3 ", TITLE)),
    "two tags": wav(ID3_CHUNK, chunk(b"id3 ", tag(4, 0, bytes(40))), refused=Reason.RIFF_TWO_TAGS),
    "bytes behind its end": wav(BEXT, after=b"behind the end"),
    "an odd chunk without its pad byte": wav(b"odd \3\0\0\0abc"),
}

ROWS = {
    **{f"ID3: {name}": row for name, row in (ID3 | ID3V1).items()},
    **{f"FLAC: {name}": row for name, row in FLAC.items()},
    **{f"MP4: {name}": row for name, row in MP4.items()},
    **{f"Ogg: {name}": row for name, row in OGG.items()},
    **{f"WAV: {name}": row for name, row in WAV.items()},
}


@pytest.mark.parametrize("standing", [text("TMOO", "Sad"), v23("TXXX", b"\0MOOD\0Sad"), v23("TXXX", b"\0mood\0Sad")])
def test_a_mood_of_v23_is_renewed_under_the_name_that_it_has(standing: bytes, tmp_path: Path) -> None:
    audio = write_audio(tmp_path, "mp3", 0.3).read_bytes()
    file = io.BytesIO(tag(3, 0, standing + TITLE + bytes(300)) + audio)
    plan = by_name("mp3").splice(file, {"mood": ("Happy",)}, Style())
    new = b"".join(
        one.data if isinstance(one, Literal) else file.getvalue()[one.offset :][: one.length] for one in plan
    )
    renewed = standing[10:].replace(b"Sad", b"Happy")
    assert new.count(standing[:4] + len(renewed).to_bytes(4, "big") + b"\0\0" + renewed) == 1
    assert (new.count(b"TMOO") + new.lower().count(b"mood\0"), new.count(TITLE)) == (1, 1)


def test_a_genre_in_an_ape_tag_of_an_mp3_is_seen(tmp_path: Path) -> None:
    """Players that prefer it go on showing it: it is the user's, and no other genre is written beside it."""
    path = write_audio(tmp_path, "mp3", 0.3)
    path.write_bytes(path.read_bytes() + ape_files.tag(ape_files.item(b"Genre", b"Polka")))
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection)
    assert found.refusal is not None or found.tags.genre == ("Polka",)


@pytest.mark.parametrize("name", ROWS)
def test_it_stays_to_the_byte_or_is_refused(name: str, tmp_path: Path) -> None:
    check(ROWS[name], tmp_path)


def test_an_audio_page_with_a_wrong_checksum_is_never_made_right(tmp_path: Path) -> None:
    """The evidence of damage stays: the page is as it was, or the file is."""
    row = Row("ogg-vorbis", _wrong_checksum_in_the_audio)
    path, prepared = written(row, tmp_path)
    old = path.read_bytes()
    last = list(pages(io.BytesIO(old)))[-1]
    if isinstance(prepared, Prepared):
        assert isinstance(commit(prepared), Committed)
        new = path.read_bytes()
        page = list(pages(io.BytesIO(new)))[-1]
        assert new[page.body_offset : page.end] == old[last.body_offset : last.end]
        blank = new[page.offset : page.offset + 22] + bytes(4) + new[page.offset + 26 : page.end]
        assert crc(blank).to_bytes(4, "little") != new[page.offset + 22 : page.offset + 26]


def test_a_large_padding_is_never_made_smaller(tmp_path: Path) -> None:
    check(flac(block(4, _OURS), block(1, bytes(60_000)), stays=()), tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size > 60_000
    _, prepared = written(flac(block(4, _OURS), block(1, bytes(60_000))), tmp_path)
    assert isinstance(prepared, Prepared)
    size = path.stat().st_size
    assert isinstance(commit(prepared), Committed)
    assert path.stat().st_size == size
    assert sum(one.length for one in mutagen.flac.FLAC(path).metadata_blocks if one.code == 1) > 59_000
