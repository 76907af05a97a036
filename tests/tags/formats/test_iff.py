"""WAV and AIFF as careless programs leave them: tags behind the declared end, zeros behind a tag, pad bytes missing."""

import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Literal

import av
import mutagen.aiff
import mutagen.wave
import pytest

from tagger.tags import opinion
from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests.audio import write_audio
from tests.tags.formats.id3_bytes import frame, tag

CHANGES = {"genre": ("Jazz",), "mood": ("Happy",), "TAGGER_MOOD": ("happy",)}
TITLE, COVER = frame(3, b"TIT2", b"\0Title"), frame(3, b"APIC", b"\0image/png\0\3\0" + bytes(range(1, 256)) * 4)
TAG = tag(3, 0, TITLE + COVER)
V1 = b"TAG" + b"Old title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + bytes(64) + b"\x11"
KINDS = ("wav", "aiff")


def order(kind: str) -> Literal["little", "big"]:
    return "little" if kind == "wav" else "big"


def chunk(kind: str, name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, order(kind)) + body + bytes(len(body) % 2)


def tag_chunk(kind: str, body: bytes) -> bytes:
    return chunk(kind, b"id3 " if kind == "wav" else b"ID3 ", body)


def info(genre: bytes) -> bytes:
    return chunk("wav", b"LIST", b"INFO" + chunk("wav", b"IGNR", genre) + chunk("wav", b"INAM", b"Name\0\0"))


def form(kind: str, content: bytes, declared: int | None = None) -> bytes:
    """The file with its size as it is, or as it is said to be."""
    size = (len(content) if declared is None else declared) - 8
    return content[:4] + size.to_bytes(4, order(kind)) + content[8:]


def in_front_of_the_audio(kind: str, content: bytes, more: bytes) -> bytes:
    at = content.index(b"data" if kind == "wav" else b"SSND")
    return form(kind, content[:at] + more + content[at:])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("iff")
    return {kind: write_audio(folder, kind, 0.3).read_bytes() for kind in KINDS}


class File:
    """A file in the making: its content, and what becomes of it."""

    def __init__(self, folder: Path, kind: str, content: bytes, name: str = "track") -> None:
        self.kind = kind
        self.path = folder / f"{name}.{kind}"
        self.path.write_bytes(content)

    @property
    def content(self) -> bytes:
        return self.path.read_bytes()

    def write(self, changes: dict[str, tuple[str, ...]]) -> "File":
        """Its successor; the way back is proven to lead to the byte, and all foreign entries and the audio to stay."""
        file = io.BytesIO(self.content)
        container = detect(file, self.path.suffix.encode())
        plan = container.splice(file, changes, Style())
        before, identity = container.read(file), container.identity(file)
        with self.path.open("rb") as source:
            made = b"".join(blocks(plan, source.fileno()))
        new = File(self.path.parent, self.kind, made, name=self.path.stem + "-written")
        record = inverse(plan, len(self.content), lambda offset, length: self.content[offset : offset + length])
        with new.path.open("rb") as source:
            assert b"".join(blocks(record, source.fileno())) == self.content
            assert container.read(source).foreign == before.foreign
            assert container.identity(source) == identity
            read = opinion.values(source, container.name)
            assert {name: read.get(name, ()) for name in changes} == changes
        return new

    @property
    def audio_at(self) -> int:
        return self.content.index(b"data" if self.kind == "wav" else b"SSND")


def reason(file: File) -> str:
    with pytest.raises(FormatError) as refusal:
        file.write(CHANGES)
    return refusal.value.reason


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_behind_a_tag_within_its_chunk_are_room(kind: str, plain: dict[str, bytes], tmp_path: Path) -> None:
    content = in_front_of_the_audio(kind, plain[kind], tag_chunk(kind, TAG + bytes(1000)))
    old = File(tmp_path, kind, content)
    new = old.write(CHANGES)
    assert len(new.content) == len(old.content)
    assert TITLE + COVER in new.content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rest", [b"left of a longer tag", b"3DI\3\0\0\0\0\0\7", b"\0\0x"])
def test_other_bytes_behind_a_tag_within_its_chunk_stay(
    kind: str, rest: bytes, plain: dict[str, bytes], tmp_path: Path, need_module: Callable[[str], ModuleType]
) -> None:
    new = File(tmp_path, kind, form(kind, plain[kind] + tag_chunk(kind, TAG + rest))).write(CHANGES)
    assert new.content.removesuffix(b"\0").endswith(rest)
    with need_module("taglib").File(str(new.path)) as shown:
        assert (shown.tags["TITLE"], shown.tags["GENRE"], shown.tags["MOOD"]) == (["Title"], ["Jazz"], ["Happy"])
    with av.open(str(new.path)) as shown:
        assert (shown.metadata["title"], shown.metadata["genre"]) == ("Title", "Jazz")


def test_a_second_tag_behind_the_first_within_its_chunk(plain: dict[str, bytes], tmp_path: Path) -> None:
    old = File(tmp_path, "wav", form("wav", plain["wav"] + tag_chunk("wav", TAG + TAG)))
    assert reason(old) == Reason.ID3_TWICE


@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_behind_the_declared_end_is_the_tag(
    kind: str, plain: dict[str, bytes], tmp_path: Path, need_module: Callable[[str], ModuleType]
) -> None:
    """A second one would hide it from TagLib, and stay hidden from FFmpeg."""
    content = plain[kind] + chunk(kind, b"PEAK", bytes(10)) + tag_chunk(kind, TAG)
    new = File(tmp_path, kind, form(kind, content, len(plain[kind]))).write(CHANGES)
    assert new.content.lower().count(b"id3 ") == 1
    assert int.from_bytes(new.content[4:8], order(kind)) == len(new.content) - 8
    with need_module("taglib").File(str(new.path)) as shown:
        assert (shown.tags["TITLE"], shown.tags["GENRE"], shown.tags["MOOD"]) == (["Title"], ["Jazz"], ["Happy"])
    with av.open(str(new.path)) as shown:
        assert (shown.metadata["title"], shown.metadata["genre"]) == ("Title", "Jazz")
    kept = mutagen.wave.WAVE(new.path) if kind == "wav" else mutagen.aiff.AIFF(new.path)
    assert kept.tags["APIC:"].data == COVER[-1020:]


def test_a_genre_in_an_info_behind_the_declared_end_is_the_users(plain: dict[str, bytes], tmp_path: Path) -> None:
    old = File(tmp_path, "wav", form("wav", plain["wav"] + info(b"Polka\0"), len(plain["wav"])))
    file = io.BytesIO(old.content)
    assert detect(file, b".wav").read(file).tags.genre == ("Polka",)
    new = old.write(CHANGES)
    with av.open(str(new.path)) as shown:
        assert shown.metadata["genre"] == "Jazz"


@pytest.mark.parametrize(
    "behind",
    [
        tag_chunk("wav", TAG) + b"\xff\xfe\xfd\xfc and something else",
        tag_chunk("wav", TAG)[:-100],
        tag_chunk("wav", TAG) + chunk("wav", b"data", bytes(100)),
    ],
    ids=["something else", "cut short", "more audio"],
)
def test_a_tag_behind_the_declared_end_and_something_else(
    behind: bytes, plain: dict[str, bytes], tmp_path: Path
) -> None:
    assert reason(File(tmp_path, "wav", plain["wav"] + behind)) == Reason.RIFF_BEHIND


def test_a_tag_within_and_one_behind_the_declared_end(plain: dict[str, bytes], tmp_path: Path) -> None:
    within = form("wav", plain["wav"] + tag_chunk("wav", TAG))
    assert reason(File(tmp_path, "wav", within + tag_chunk("wav", TAG))) == Reason.RIFF_TWO_TAGS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("behind", [V1, b"\0" * 50, b"no chunk", chunk("wav", b"PEAK", bytes(10))])
def test_what_stands_behind_the_end_and_is_no_tag_stays(
    kind: str, behind: bytes, plain: dict[str, bytes], tmp_path: Path, need_module: Callable[[str], ModuleType]
) -> None:
    new = File(tmp_path, kind, plain[kind] + behind).write(CHANGES)
    assert new.content.endswith(behind)
    with need_module("taglib").File(str(new.path)) as shown:
        assert shown.tags["GENRE"] == ["Jazz"]
    with av.open(str(new.path)) as shown:
        assert shown.metadata["genre"] == "Jazz"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counted", [-1, 0, 1], ids=["written, not counted", "neither", "counted, not written"])
def test_the_pad_byte_of_the_last_chunk(kind: str, counted: int, plain: dict[str, bytes], tmp_path: Path) -> None:
    odd = chunk(kind, b"PEAK", bytes(range(1, 12)))
    content = plain[kind] + (odd if counted < 0 else odd[:-1])
    new = File(tmp_path, kind, form(kind, content, len(content) + counted)).write(CHANGES)
    assert odd in new.content
    with av.open(str(new.path)) as shown:
        assert shown.metadata["genre"] == "Jazz"


def test_an_odd_chunk_at_the_end_with_something_else_in_its_pad_bytes_place(
    plain: dict[str, bytes], tmp_path: Path
) -> None:
    content = plain["wav"] + chunk("wav", b"PEAK", bytes(11))[:-1]
    assert reason(File(tmp_path, "wav", form("wav", content) + b"something else")) == Reason.RIFF_PADDING


@pytest.mark.parametrize("kind", KINDS)
def test_audio_behind_a_tag_without_room_moves_once(kind: str, plain: dict[str, bytes], tmp_path: Path) -> None:
    old = File(tmp_path, kind, in_front_of_the_audio(kind, plain[kind], tag_chunk(kind, TAG)))
    new = old.write(CHANGES)
    assert 4096 <= new.audio_at - old.audio_at <= 9000
    again = new.write({"genre": ("Free Jazz and more",), "TAGGER_MODEL": ("tagger-default-1-0123456789ab",)})
    assert again.audio_at == new.audio_at


def test_audio_behind_an_info_moves_once(
    plain: dict[str, bytes], tmp_path: Path, need_module: Callable[[str], ModuleType]
) -> None:
    """FFmpeg writes it there: a genre in it is kept in step, and the zeros of a JUNK chunk make up for its length."""
    old = File(tmp_path, "wav", in_front_of_the_audio("wav", plain["wav"], info(b"Polka\0")))
    new = old.write({"genre": ("Jazz",)})
    assert new.audio_at - old.audio_at in (0, 8192 + 8)
    longer = new.write({"genre": ("Electronic and more of it",)})
    assert 4096 <= longer.audio_at - old.audio_at <= 9000
    for genre in ("Jazz", "Hip-Hop", ""):
        again = longer.write({"genre": (genre,) if genre else ()})
        assert again.audio_at == longer.audio_at
        with av.open(str(again.path)) as shown:
            assert shown.metadata.get("genre", "") == genre
            assert shown.metadata["title"] == "Name"
        with need_module("taglib").File(str(again.path)) as tags:
            assert tags.tags.get("GENRE", [""]) == [genre]


def test_a_junk_chunk_with_something_in_it_stays(plain: dict[str, bytes], tmp_path: Path) -> None:
    junk = chunk("wav", b"JUNK", b"not to be lost".ljust(200, b"\0"))
    old = File(tmp_path, "wav", in_front_of_the_audio("wav", plain["wav"], info(b"Polka\0") + junk))
    assert junk in old.write({"genre": ("Electronic and more of it",)}).content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("front", [False, True])
def test_an_empty_tag_chunk_is_the_place_of_a_new_tag(
    kind: str, front: bool, plain: dict[str, bytes], tmp_path: Path
) -> None:
    empty = tag_chunk(kind, b"")
    content = in_front_of_the_audio(kind, plain[kind], empty) if front else form(kind, plain[kind] + empty)
    new = File(tmp_path, kind, content).write(CHANGES)
    assert new.content.upper().count(b"ID3 ") == 1


@pytest.mark.parametrize("genres", [(b"Jazz\0\0", b"Rock\0\0"), (b"\0\0", b"Rock\0\0"), (b"", b"Jazz\0\0"), (b"",)])
def test_every_genre_of_an_info_is_kept_in_step(
    genres: tuple[bytes, ...], plain: dict[str, bytes], tmp_path: Path
) -> None:
    entries = b"".join(chunk("wav", b"IGNR", genre) for genre in genres)
    new = File(tmp_path, "wav", form("wav", plain["wav"] + chunk("wav", b"LIST", b"INFO" + entries))).write(CHANGES)
    assert new.content.count(b"IGNR\5\0\0\0Jazz\0\0") == len(genres)
    with av.open(str(new.path)) as shown:
        assert shown.metadata["genre"] == "Jazz"
