"""A genre of the user's that stands in an odd place, or in odd bytes, is seen: `fill` must not write over it."""

import io
import zlib
from pathlib import Path

import mutagen.apev2
import mutagen.id3
import mutagen.mp4
import pytest

from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks
from tests.audio import write_audio
from tests.tags.formats import id3_bytes


def genre(path: Path) -> tuple[str, ...]:
    file = io.BytesIO(path.read_bytes())
    return detect(file, path.suffix.encode()).read(file).tags.genre


def in_front(path: Path, *frames: bytes) -> Path:
    path.write_bytes(id3_bytes.tag(4, 0, b"".join(frames)) + path.read_bytes())
    return path


def test_bytes_that_are_not_what_they_are_marked_as(tmp_path: Path) -> None:
    path = in_front(write_audio(tmp_path, "mp3", 0.5), id3_bytes.frame(4, b"TCON", b"\3Chanson fran\xe7aise"))
    assert genre(path) == ("Chanson française",)


def test_apples_grouping_is_the_users(tmp_path: Path) -> None:
    """iTunes and Music write it since TIT1 became the work; what stands in TIT1 comes first, for we write there."""
    path = in_front(write_audio(tmp_path, "mp3", 0.5), id3_bytes.frame(4, b"GRP1", b"\3Warm-up"))
    file = io.BytesIO(path.read_bytes())
    assert detect(file, b".mp3").read(file).tags.grouping == ("Warm-up",)
    in_front(path, id3_bytes.frame(4, b"TIT1", b"\3Happy"), id3_bytes.frame(4, b"GRP1", b"\3Warm-up"))
    file = io.BytesIO(path.read_bytes())
    assert detect(file, b".mp3").read(file).tags.grouping == ("Happy",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"(17)", ("Rock",)),
        (b"17", ("Rock",)),
        (b"(4)Eurodisco", ("Disco", "Eurodisco")),
        (b"(RX)(CR)", ("Remix", "Cover")),
        (b"((Foo) bar", ("(Foo) bar",)),
        (b"(255)", ("Unknown",)),  # which is how a program says that there is none
        (b"(1980)", ("(1980)",)),  # no number of a genre
        (b"1980", ("1980",)),
    ],
)
def test_numbers_and_brackets_in_a_genre(text: bytes, said: tuple[str, ...], tmp_path: Path) -> None:
    path = in_front(write_audio(tmp_path, "mp3", 0.5), id3_bytes.frame(4, b"TCON", b"\3" + text))
    assert genre(path) == said


def test_an_empty_frame_is_no_value(tmp_path: Path) -> None:
    path = in_front(write_audio(tmp_path, "mp3", 0.5), id3_bytes.frame(4, b"TCON", b"\1\xff\xfe\0\0"))
    assert genre(path) in ((), ("",))


def test_a_named_text_that_players_show_as_the_genre(tmp_path: Path) -> None:
    path = in_front(write_audio(tmp_path, "mp3", 0.5), id3_bytes.frame(4, b"TXXX", b"\3Genre\0Jazz"))
    assert genre(path) == ("Jazz",)
    m4a = write_audio(tmp_path, "m4a", 0.5)
    file = mutagen.mp4.MP4(m4a)
    file["----:com.apple.iTunes:GENRE"] = b"Jazz"
    file.save()
    assert genre(m4a) == ("Jazz",)


def test_a_genre_behind_one_that_says_nothing(tmp_path: Path) -> None:
    path = in_front(write_audio(tmp_path, "mp3", 0.5), id3_bytes.frame(4, b"TCON", b"\3Other"))
    assert genre(path) == ("Other",)
    tag = mutagen.apev2.APEv2()
    tag["Genre"] = "Jazz"
    tag.save(path)
    assert genre(path) == ("Jazz",)


def test_a_wavs_info_behind_a_tag_that_says_nothing(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "wav", 0.5)
    tag = id3_bytes.tag(4, 0, id3_bytes.frame(4, b"TCON", b"\3Other") + bytes(5))
    info = b"INFOIGNR" + (4).to_bytes(4, "little") + b"Pop\0"
    content = path.read_bytes()
    for name, body in ((b"LIST", info), (b"id3 ", tag)):
        content += name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)
    path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    assert genre(path) == ("Pop",)


def test_the_tag_in_front_of_a_flac(tmp_path: Path) -> None:
    path = in_front(write_audio(tmp_path, "flac", 0.5), id3_bytes.frame(4, b"TCON", b"\3Jazz"))
    assert genre(path) == ("Jazz",)


def test_a_binary_ape_item_is_no_value_and_no_crash(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    tag = mutagen.apev2.APEv2()
    tag["Genre"] = mutagen.apev2.APEValue(b"\1\2", mutagen.apev2.BINARY)
    tag.save(path)
    assert genre(path) == ()


def test_itunes_converted_names_stay(tmp_path: Path) -> None:
    """It left version 2.2's names in tags of version 2.3, with a zero or a space behind."""
    frames = id3_bytes.frame(3, b"TCP\0", b"\0001") + id3_bytes.frame(3, b"TS2 ", b"\0x") + bytes(300)
    path = write_audio(tmp_path, "mp3", 0.5)
    path.write_bytes(id3_bytes.tag(3, 0, frames) + path.read_bytes())
    file = io.BytesIO(path.read_bytes())
    container = detect(file, b".mp3")
    plan = container.splice(file, {"genre": ("Jazz",)}, Style())
    with path.open("rb") as source:
        new = io.BytesIO(b"".join(blocks(plan, source.fileno())))
    assert container.read(new).foreign == container.read(file).foreign
    new.seek(0)
    assert mutagen.id3.ID3(fileobj=new, load_v1=False)["TCON"].genres == ["Jazz"]


def test_what_somebody_keeps_in_a_free_atom_stays(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "m4a", 0.5)
    content, mark = path.read_bytes(), b"somebody's own words " * 400
    at = content.index(b"moov") - 4
    end = at + int.from_bytes(content[at : at + 4], "big")
    assert end == len(content)  # nothing behind it whose place would change
    path.write_bytes(content + (8 + len(mark)).to_bytes(4, "big") + b"free" + mark)
    file = io.BytesIO(path.read_bytes())
    plan = detect(file, b".m4a").splice(file, {"genre": ("Jazz",)}, Style())
    with path.open("rb") as source:
        assert mark in b"".join(blocks(plan, source.fileno()))


_SAD = b"\0MOOD\0Sad"
_PACKED = len(_SAD).to_bytes(4, "big") + zlib.compress(_SAD)


@pytest.mark.parametrize(
    ("version", "body", "flags"),
    [
        (3, _PACKED, b"\0\x80"),
        (4, _PACKED, b"\0\x09"),
        (3, b"\x91" + _SAD, b"\0\x20"),
        (4, b"\x91" + _SAD, b"\0\x40"),
        (4, _SAD, b"\0\x40"),
    ],
)
def test_a_compressed_or_grouped_mood_is_the_users(version: int, body: bytes, flags: bytes, tmp_path: Path) -> None:
    frame = id3_bytes.frame(version, b"TXXX", body, flags)
    path = write_audio(tmp_path, "mp3", 0.5)
    file = io.BytesIO(id3_bytes.tag(version, 0, frame) + path.read_bytes())
    container = detect(file, b".mp3")
    assert len(container.read(file).foreign) == 1
    with pytest.raises(FormatError, match="mood") as refused:
        container.splice(file, {"mood": ("Happy",)}, Style())
    assert refused.value.reason == Reason.ID3_FLAGS
    container.splice(file, {"genre": ("Jazz",)}, Style())
