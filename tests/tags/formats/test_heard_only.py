"""Containers that are heard and never written: each with a reason of its own, and an identity that tags leave alone."""

import io
import os
import random
import struct
from pathlib import Path

import mutagen.id3
import pytest

from tagger.records import Inspection
from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.formats.matroska import MATROSKA
from tagger.tags.inspect import OTHER, inspect
from tagger.tags.refusals import Reason
from tests.audio import write_audio

HEARD = {"adts": Reason.ADTS, "matroska": Reason.MATROSKA, "webm": Reason.MATROSKA}
CODECS = {"adts": "aac", "matroska": "flac", "webm": "opus"}


@pytest.fixture(params=HEARD)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def path(kind: str, tmp_path: Path) -> Path:
    return write_audio(tmp_path, kind, 1.0)


def inspected(path: Path) -> Inspection:
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection)
    return found


def test_it_is_known_and_refused_by_name(kind: str, path: Path) -> None:
    found = inspected(path)
    assert found.refusal is not None
    assert found.refusal.reason == HEARD[kind]
    assert (found.codec, found.channels) == (CODECS[kind], 2)
    assert found.container != OTHER
    if kind != "adts":
        assert found.length_seconds == pytest.approx(1.0, abs=0.1)


def test_a_splice_is_never_tried(kind: str, path: Path) -> None:
    file = io.BytesIO(path.read_bytes())
    container = detect(file, path.suffix.encode())
    with pytest.raises(FormatError, match="never written"):
        container.splice(file, {"genre": ("Jazz",)}, Style())


def test_a_tag_in_front_changes_no_identity(path: Path) -> None:
    bare = inspected(path).identity
    content = path.read_bytes()
    path.write_bytes(b"ID3\x04\0\0\0\0\0\x20" + bytes(32) + content)
    assert inspected(path).identity == bare
    path.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))
    assert inspected(path).identity != bare


def test_another_suffix_is_wrong(path: Path) -> None:
    found = inspected(path.rename(path.with_suffix(".mp3")))
    assert found.refusal is not None
    assert found.refusal.reason == Reason.WRONG_SUFFIX


def test_a_flac_is_no_matroska(tmp_path: Path) -> None:
    found = inspected(write_audio(tmp_path, "flac", 0.3).rename(tmp_path / "song.mka"))
    assert found.refusal is not None
    assert found.refusal.reason == Reason.WRONG_SUFFIX


def test_tags_around_adts_are_read_and_are_no_audio(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "adts", 0.5)
    bare = inspected(path).identity
    tag = mutagen.id3.ID3()
    tag.add(mutagen.id3.TIT2(encoding=3, text="Title"))
    tag.save(path, v1=2)
    assert path.read_bytes()[-128:-125] == b"TAG"
    found = inspected(path)
    assert (found.identity, found.tags.title) == (bare, "Title")


def test_an_mp3_is_no_adts(tmp_path: Path) -> None:
    assert inspected(write_audio(tmp_path, "mp3", 0.5)).container == "mp3"


def test_mutations_are_read_or_unknown(kind: str, path: Path) -> None:
    content = path.read_bytes()
    generator = random.Random(kind)
    for number in range(200):
        mutated = bytearray(content)
        for _ in range(generator.randint(1, 6)):
            mutated[generator.randrange(600)] = generator.randrange(256)
        if number % 4 == 0:
            mutated = mutated[: generator.randrange(1, len(mutated))]
        path.write_bytes(mutated)
        found = inspected(path)
        assert found.refusal is not None
        assert found.refusal.reason in (HEARD[kind], Reason.CONTAINER)


def element(name: bytes, body: bytes, size: bytes | None = None) -> bytes:
    return name + (size or (1 << 56 | len(body)).to_bytes(8, "big")) + body


@pytest.mark.parametrize("size", [b"\x01" + b"\xff" * 7, b"\xff", b"\x01" + b"\xff" * 6 + b"\xfe"])
def test_matroska_sizes_that_lie_or_are_unknown(size: bytes) -> None:
    info = element(b"\x15\x49\xa9\x66", element(b"\x44\x89", struct.pack(">f", 2000.0)))
    file = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"webm")) + element(b"\x18\x53\x80\x67", info, size)
    assert MATROSKA.matches(file)
    assert MATROSKA.read(io.BytesIO(file)).length_seconds == 2.0


@pytest.mark.parametrize("ticks", [float("nan"), float("inf"), -1.0, 1.7e308])
def test_matroska_lengths_that_are_none(ticks: float) -> None:
    scale = element(b"\x2a\xd7\xb1", b"\xff" * 64)
    info = element(b"\x15\x49\xa9\x66", scale + element(b"\x44\x89", struct.pack(">d", ticks)))
    file = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"webm")) + element(b"\x18\x53\x80\x67", info)
    assert MATROSKA.read(io.BytesIO(file)).length_seconds is None


def test_ebml_of_another_kind() -> None:
    assert not MATROSKA.matches(element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"other")))
