"""DSF: a tag at the end, and sizes that must hold."""

import io
import random
import struct
from pathlib import Path

import av
import mutagen.dsf
import mutagen.id3
import pytest

from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.dsf import DSF
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests.audio import write_audio

CHANGES = {"genre": ("Jazz",), "TAGGER_MOOD": ("calm",)}
HEAD = struct.Struct("<4sQQQ")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return write_audio(tmp_path, "dsf", 0.05)


@pytest.fixture
def tagged(bare: Path) -> Path:
    file = mutagen.dsf.DSF(bare)
    file.add_tags()
    file.tags.add(mutagen.id3.TIT2(encoding=3, text="Title"))
    file.tags.add(mutagen.id3.PRIV(owner="x", data=bytes(range(256))))
    file.save()
    return bare


def with_head(content: bytes, size_bytes: int | None = None, pointer: int | None = None) -> bytes:
    _, _, old_size, old_pointer = HEAD.unpack(content[:28])
    sizes = (old_size if size_bytes is None else size_bytes, old_pointer if pointer is None else pointer)
    return HEAD.pack(b"DSD ", 28, *sizes) + content[28:]


def spliced(content: bytes, tmp_path: Path) -> bytes:
    """The changed file, proven to be undoable."""
    plan = DSF.splice(io.BytesIO(content), CHANGES, Style())
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(content)
    with old.open("rb") as source:
        new.write_bytes(b"".join(blocks(plan, source.fileno())))
    record = inverse(plan, len(content), lambda offset, length: content[offset : offset + length])
    with new.open("rb") as source:
        assert b"".join(blocks(record, source.fileno())) == content
    return new.read_bytes()


def reason(content: bytes) -> str | None:
    refusal = DSF.read(io.BytesIO(content)).refusal
    expected = refusal.reason if refusal else None
    try:
        DSF.splice(io.BytesIO(content), CHANGES, Style())
        found = None
    except FormatError as error:
        found = error.reason
    assert found == expected
    return found


def test_a_file_without_a_tag_gets_one_at_its_end(bare: Path, tmp_path: Path) -> None:
    old = bare.read_bytes()
    new = spliced(old, tmp_path)
    assert new[28 : len(old)] == old[28:]
    assert HEAD.unpack(new[:28]) == (b"DSD ", 28, len(new), len(old))
    assert new[len(old) :].startswith(b"ID3")


def test_a_tag_that_has_room_keeps_every_size(tagged: Path, tmp_path: Path) -> None:
    old = tagged.read_bytes()
    assert len(spliced(old, tmp_path)) == len(old)


def test_what_it_says_of_itself(tagged: Path) -> None:
    content = DSF.read(io.BytesIO(tagged.read_bytes()))
    assert (content.codec, content.channels, content.tags.title) == ("dsd", 2, "Title")
    assert content.length_seconds == pytest.approx(0.05, abs=0.001)


def test_the_identity_is_the_audio_alone(tagged: Path, bare: Path, tmp_path: Path) -> None:
    content = tagged.read_bytes()
    identity = DSF.identity(io.BytesIO(content))
    assert DSF.identity(io.BytesIO(spliced(content, tmp_path))) == identity
    start = HEAD.unpack(content[:28])[3]
    assert DSF.identity(io.BytesIO(with_head(content[:start], start, 0))) == identity
    assert DSF.identity(io.BytesIO(content[:200] + b"x" + content[201:])) != identity


def test_sizes_and_pointers_that_lie(tagged: Path) -> None:
    content = tagged.read_bytes()
    _, _, size_bytes, pointer = HEAD.unpack(content[:28])
    for lie in (0, size_bytes - 1, size_bytes + 1, 1 << 63):
        assert reason(with_head(content, size_bytes=lie)) == Reason.DSF_SIZES
    for lie in (0, 1, 28, pointer - 1, pointer + 1, size_bytes, size_bytes + 1, (1 << 64) - 1):
        assert reason(with_head(content, pointer=lie)) == Reason.DSF_SIZES
    assert reason(with_head(content[:-1], size_bytes=size_bytes - 1)) == Reason.ID3_DAMAGED


def test_bytes_behind_the_tag(tagged: Path) -> None:
    content = tagged.read_bytes()
    assert reason(content + b"TAG" + bytes(126)) == Reason.DSF_SIZES
    assert reason(content + bytes(128)) == Reason.DSF_SIZES
    assert reason(with_head(content + b"x" * 128, size_bytes=len(content) + 128)) == Reason.ID3_DAMAGED
    tag = b"ID3\x04\0\0\0\0\0\x20" + bytes(32)
    assert reason(with_head(content + tag, size_bytes=len(content) + 42)) == Reason.ID3_TWICE


def test_an_id3v1_tag_behind_all_that_is_declared_stays(tagged: Path, bare: Path, tmp_path: Path) -> None:
    tail = b"TAG" + b"Old title".ljust(125, b"\0")
    for content in (tagged.read_bytes(), bare.read_bytes()):
        new = spliced(content + tail, tmp_path)
        assert new.endswith(tail)
        assert HEAD.unpack(new[:28])[2] == len(new) - 128
        path = tmp_path / "new.dsf"
        path.write_bytes(new)
        assert mutagen.dsf.DSF(path).tags["TCON"].text == ["Jazz"]
        with av.open(str(path)) as shown:
            assert shown.metadata["genre"] == "Jazz"


def test_zeros_behind_the_tag_are_room(tagged: Path, tmp_path: Path) -> None:
    content = tagged.read_bytes()
    old = with_head(content + bytes(128), size_bytes=len(content) + 128)
    assert len(spliced(old, tmp_path)) == len(old)


def test_a_pointer_to_no_tag(bare: Path) -> None:
    content = bare.read_bytes()
    assert reason(with_head(content + b"junk" * 9, len(content) + 36, len(content))) == Reason.ID3_DAMAGED


@pytest.mark.parametrize("at", [4, 28, 32, 80, 84])
def test_damaged_chunks(bare: Path, at: int) -> None:
    content = bytearray(bare.read_bytes())
    content[at : at + 8] = b"\xff" * 8
    assert reason(bytes(content)) == Reason.DAMAGED
    assert DSF.identity(io.BytesIO(content)).startswith("1:sha256:")


@pytest.mark.parametrize("length", [4, 27, 28, 79, 91, 92, 5000])
def test_a_file_that_ends_early(tagged: Path, length: int) -> None:
    assert reason(tagged.read_bytes()[:length]) == Reason.DAMAGED


def test_mutations_of_head_and_tag(tagged: Path, tmp_path: Path) -> None:
    content = tagged.read_bytes()
    start = HEAD.unpack(content[:28])[3]
    places = [*range(92), *range(start, len(content))]
    generator = random.Random(5)
    written = 0
    for _ in range(300):
        mutated = bytearray(content)
        for _ in range(generator.randint(1, 4)):
            mutated[generator.choice(places)] = generator.randrange(256)
        file = io.BytesIO(mutated)
        before, identity = DSF.read(file), DSF.identity(file)
        if before.refusal:
            assert reason(bytes(mutated)) == before.refusal.reason
            continue
        new = io.BytesIO(spliced(bytes(mutated), tmp_path))
        assert DSF.read(new).foreign == before.foreign
        assert DSF.identity(new) == identity
        written += 1
    assert 20 < written < 300
