"""What is not written, each with its reason; the odd files of other projects among them."""

import io
from pathlib import Path

import mutagen.id3
import pytest
from mutagen.ogg import OggPage

from tagger.tags import opinion
from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.formats.ogg_pages import pages, renumbered
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks
from tests.audio import write_audio
from tests.tags.formats import id3_bytes

HALF_UNSYNCHRONISED = (  # whoever takes the zeros out of PRIV no longer finds the TCON behind it
    b"TIT2\0\0\0\5\0\0\1\xff\xfeT\0" + b"PRIV\0\0\0\x22\0\0x\0" + b"\xff\0" * 16 + b"TCON\0\0\0\6\0\0\0Disco"
)


def reason(path: Path) -> str | None:
    """Why a file is refused, None where it is not."""
    file = io.BytesIO(path.read_bytes())
    try:
        container = detect(file, path.suffix.encode())
        container.splice(file, {"genre": ("Jazz",)}, Style())
    except FormatError as error:
        return error.reason
    return None


def test_wrong_suffix(tmp_path: Path) -> None:
    made = write_audio(tmp_path, "flac", 0.5)
    assert reason(made.rename(tmp_path / "song.mp3")) == Reason.WRONG_SUFFIX


def test_text_is_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_text("no music at all\n" * 100)
    assert reason(path) == Reason.NOT_AUDIO


CHECKED = b"\0\0\0\x0a\x80\0" + bytes(8)  # an extended header with a checksum


@pytest.mark.parametrize(
    ("version", "flags", "body", "expected"),
    [
        (5, 0, bytes(32), Reason.ID3_VERSION),
        (2, 0x40, bytes(32), Reason.ID3_FLAGS),
        (3, 0x40, CHECKED + bytes(32), Reason.ID3_FLAGS),
        (3, 0xC0, bytes(32), Reason.ID3_FLAGS),
        (4, 0x40, id3_bytes.synchsafe(12) + b"\1\x20\5" + bytes(32), Reason.ID3_FLAGS),
        (4, 0x40, id3_bytes.synchsafe(8) + b"\1\x10\1\0" + bytes(32), Reason.ID3_FLAGS),
        (4, 0x40, b"\0\0\0", Reason.ID3_FLAGS),
        (4, 0x08, bytes(32), Reason.ID3_FLAGS),
        (4, 0, b"TIT2\0\0\x7f\x7f\0\0\3x", Reason.ID3_DAMAGED),
        (3, 0x80, b"TIT2\0\0\0\x0a\0\0\1\xff\0\xfe" + bytes(2), Reason.ID3_DAMAGED),
        (3, 0x80, HALF_UNSYNCHRONISED, Reason.ID3_DAMAGED),
    ],
)
def test_id3_that_is_not_spliced(tmp_path: Path, version: int, flags: int, body: bytes, expected: Reason) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    path.write_bytes(id3_bytes.tag(version, flags, body) + path.read_bytes())
    assert reason(path) == expected


def test_a_second_id3_tag_that_speaks_of_genre(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    second = id3_bytes.tag(4, 0, id3_bytes.frame(4, b"TCON", b"\3Pop"))
    path.write_bytes(id3_bytes.tag(4, 0, id3_bytes.V24) + second + path.read_bytes())
    assert reason(path) == Reason.ID3_TWICE


def test_an_appended_id3_tag_stays_where_it_speaks_of_nothing_of_ours(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    plain = path.read_bytes()
    path.write_bytes(plain + id3_bytes.tag(4, 0x10, id3_bytes.V24))
    assert reason(path) is None
    path.write_bytes(plain + id3_bytes.tag(4, 0x10, id3_bytes.frame(4, b"TMOO", b"\3Sad")))
    assert reason(path) == Reason.ID3_TWICE


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_streamed_wav(tmp_path: Path, size: int) -> None:
    path = write_audio(tmp_path, "wav", 0.5)
    content = path.read_bytes()
    path.write_bytes(content[:4] + size.to_bytes(4, "little") + content[8:])
    assert reason(path) == Reason.RIFF_STREAMED


@pytest.mark.parametrize("form", [b"RF64", b"BW64"])
def test_rf64(form: bytes, tmp_path: Path) -> None:
    path = write_audio(tmp_path, "wav", 0.5)
    path.write_bytes(form + path.read_bytes()[4:])
    assert reason(path) == Reason.RIFF_64


def test_two_id3_chunks(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "wav", 0.5)
    tag = b"ID3\x04\0\0\0\0\0\x20" + bytes(32)
    chunk = b"id3 " + len(tag).to_bytes(4, "little") + tag
    content = path.read_bytes() + chunk + chunk
    path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    assert reason(path) == Reason.RIFF_TWO_TAGS


def test_chained_ogg(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "ogg-opus", 0.5)
    path.write_bytes(path.read_bytes() * 2)
    assert reason(path) == Reason.OGG_CHAINED


def test_chained_ogg_of_another_codec(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "ogg-vorbis", 0.5)
    path.write_bytes(path.read_bytes() + write_audio(tmp_path, "ogg-opus", 0.5).read_bytes())
    assert reason(path) == Reason.OGG_CHAINED


@pytest.mark.parametrize(("in_front", "expected"), [(True, Reason.OGG_OTHER), (False, Reason.OGG_MULTIPLEXED)])
def test_a_skeleton_beside_vorbis(in_front: bool, expected: Reason, tmp_path: Path) -> None:
    path = write_audio(tmp_path, "ogg-vorbis", 0.5)
    content, skeleton = path.read_bytes(), OggPage()
    skeleton.packets, skeleton.first, skeleton.serial = [b"fishead\0\3\0\0\0" + bytes(52)], True, 77
    at = 0 if in_front else next(pages(io.BytesIO(content))).end
    path.write_bytes(content[:at] + skeleton.write() + content[at:])
    assert reason(path) == expected


def test_bytes_behind_an_ogg(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "ogg-opus", 0.5)
    path.write_bytes(path.read_bytes() + b"junk")
    assert reason(path) == Reason.OGG_TRAILING


@pytest.mark.parametrize("kind", ["ogg-vorbis", "ogg-opus", "ogg-flac"])
def test_an_id3v1_tag_behind_an_ogg_stays(kind: str, tmp_path: Path) -> None:
    """TagLib, mutagen and FFmpeg look past it; none shows it."""
    path = write_audio(tmp_path, kind, 0.5)
    content, tail = path.read_bytes(), b"TAG" + b"Old title".ljust(124) + b"\x11"
    file = io.BytesIO(content + tail)
    container = detect(file, path.suffix.encode())
    path.write_bytes(file.getvalue())
    for value in ("Jazz", "J" * 70_000):  # the audio pages stay, or get new numbers
        plan = container.splice(file, {"genre": (value,)}, Style())
        with path.open("rb") as source:
            new = b"".join(blocks(plan, source.fileno()))
        assert new.endswith(tail)
        assert container.read(io.BytesIO(new)).tags.genre == (value,)
        assert opinion.values(io.BytesIO(new), container.name)["genre"] == (value,)
    assert container.identity(file) == container.identity(io.BytesIO(content))


def test_a_missing_ogg_page(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "ogg-vorbis", 3.0)
    content = path.read_bytes()
    third = list(pages(io.BytesIO(content)))[2]
    path.write_bytes(content[: third.offset] + content[third.end :])
    assert reason(path) == Reason.OGG_GAP


def test_a_damaged_ogg_header(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "ogg-vorbis", 0.5)
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    assert reason(path) == Reason.OGG_CRC


def test_renumbering_a_page_gives_the_checksum_of_the_whole(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "ogg-vorbis", 0.5)
    file = io.BytesIO(path.read_bytes())
    from tagger.tags.formats.ogg_pages import crc

    for page in pages(file):
        head = renumbered(page, page.number + 70_000)[0].data  # type: ignore[union-attr]
        file.seek(page.body_offset)
        body = file.read(page.body_length)
        assert crc(head[:22] + bytes(4) + head[26:] + body).to_bytes(4, "little") == head[22:26]


def test_fragmented_mp4(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "m4a", 0.5)
    path.write_bytes(path.read_bytes() + (8).to_bytes(4, "big") + b"moof")
    assert reason(path) == Reason.MP4_FRAGMENTED


def test_mp4_with_offsets_outside_its_audio(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "m4a", 0.5)
    content = bytearray(path.read_bytes())
    at = content.index(b"stco") + 12
    content[at : at + 4] = (5).to_bytes(4, "big")
    path.write_bytes(content)
    assert reason(path) == Reason.MP4_OFFSETS


def test_id3v1_stays_to_the_byte(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    tail = b"TAG" + b"Old title".ljust(30) + bytes(94) + b"\x11"
    path.write_bytes(path.read_bytes() + tail)
    file = io.BytesIO(path.read_bytes())
    plan = detect(file, b".mp3").splice(file, {"mood": ("Sad",)}, Style())
    with path.open("rb") as source:
        from tagger.tags.splice import blocks

        new = b"".join(blocks(plan, source.fileno()))
    assert new.endswith(tail)
    assert mutagen.id3.ID3(fileobj=io.BytesIO(new), load_v1=False).getall("TMOO")[0].text == ["Sad"]


def test_odd_files_are_read_or_refused_and_always_undoable(shared_data: Path, tmp_path: Path) -> None:
    from tagger.tags.splice import blocks, inverse

    spliced = refused = 0
    for path in sorted((shared_data / "data" / "odd-files").rglob("*.*")):
        content = path.read_bytes()
        file = io.BytesIO(content)
        try:
            container = detect(file, path.suffix.encode())
            before = container.read(file)
            plan = container.splice(file, {"genre": ("Jazz",), "TAGGER_MOOD": ("calm",)}, Style())
        except FormatError:
            refused += 1
            continue
        with path.open("rb") as source:
            new = tmp_path / "new"
            new.write_bytes(b"".join(blocks(plan, source.fileno())))
        record = inverse(plan, len(content), lambda offset, length, c=content: c[offset : offset + length])
        with new.open("rb") as source:
            assert b"".join(blocks(record, source.fileno())) == content, path
            assert container.read(source).foreign == before.foreign, path
        spliced += 1
    assert spliced > 20
    assert refused > 5
