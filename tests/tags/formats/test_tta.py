"""TTA: a tag in front, and tails of other tags that stay to the byte."""

import io
from collections.abc import Callable
from pathlib import Path

import mutagen.apev2
import mutagen.id3
import pytest

from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.formats.tta import TTA
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests.audio import write_audio

CHANGES = {"genre": ("Jazz",), "TAGGER_MOOD": ("calm",)}
ID3V1 = b"TAG" + b"Old title".ljust(30) + bytes(94) + b"\x11"
ID3V2 = b"ID3\x04\0\0\0\0\0\x20" + bytes(32)
GENRE = b"ID3\x04\0\0\0\0\0\x0f" + b"TCON\0\0\0\5\0\0\3Rock"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Without the APE tag that FFmpeg puts at the end."""
    made = write_audio(tmp_path, "tta", 0.3)
    mutagen.apev2.delete(made)
    return made


def ape(path: Path, **items: str) -> None:
    tag = mutagen.apev2.APEv2()
    tag.update(items)
    tag.save(path)


def spliced(path: Path) -> bytes:
    """The changed file, proven to be undoable."""
    old = path.read_bytes()
    plan = TTA.splice(io.BytesIO(old), CHANGES, Style())
    with path.open("rb") as source:
        new = b"".join(blocks(plan, source.fileno()))
    record = inverse(plan, len(old), lambda offset, length: old[offset : offset + length])
    result = path.with_name("result")
    result.write_bytes(new)
    with result.open("rb") as source:
        assert b"".join(blocks(record, source.fileno())) == old
    return new


def reason(path: Path) -> str | None:
    refusal = TTA.read(io.BytesIO(path.read_bytes())).refusal
    expected = refusal.reason if refusal else None
    try:
        TTA.splice(io.BytesIO(path.read_bytes()), CHANGES, Style())
        found = None
    except FormatError as error:
        found = error.reason
    assert found == expected
    return found


def _v1(path: Path) -> None:
    path.write_bytes(path.read_bytes() + ID3V1)


def _ape(path: Path) -> None:
    ape(path, Title="Title", Comment="a genre and a mood", Subgenre="x")


def _both(path: Path) -> None:
    _ape(path)
    _v1(path)


def _appended(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"ID3\x04\0\x10\0\0\0\x20" + bytes(32) + b"3DI\x04\0\x10\0\0\0\x20")


@pytest.mark.parametrize("dress", [_v1, _ape, _both, _appended])
def test_a_tail_stays_to_the_byte(path: Path, dress: Callable[[Path], None]) -> None:
    audio = path.read_bytes()
    bare = TTA.identity(io.BytesIO(audio))
    dress(path)
    tail = path.read_bytes()[len(audio) :]
    assert tail
    new = spliced(path)
    assert new.endswith(audio + tail)
    assert TTA.identity(io.BytesIO(new)) == TTA.identity(io.BytesIO(path.read_bytes())) == bare
    assert mutagen.id3.ID3(fileobj=io.BytesIO(new), load_v1=False).getall("TCON")[0].text == ["Jazz"]


@pytest.mark.parametrize("key", ["Genre", "GENRE", "Mood", "TAGGER_MOOD"])
@pytest.mark.parametrize("v1", [b"", ID3V1])
def test_an_ape_tag_that_would_contradict(path: Path, key: str, v1: bytes) -> None:
    ape(path, Artist="Somebody", **{key: "Old"})
    path.write_bytes(path.read_bytes() + v1)
    assert reason(path) == Reason.APE_BESIDE


def test_an_ape_tag_that_cannot_be_read(path: Path) -> None:
    ape(path, Artist="Somebody")
    content = bytearray(path.read_bytes())
    at = content.rindex(b"APETAGEX") + 16
    content[at] += 1  # one more item than there is
    path.write_bytes(content)
    assert reason(path) == Reason.APE_DAMAGED


def test_a_further_tag_that_says_nothing_of_ours(path: Path) -> None:
    path.write_bytes(ID3V2 + ID3V2 + path.read_bytes())
    assert reason(path) is None
    assert ID3V2 + b"TTA1" in spliced(path)


def test_a_further_tag_with_a_genre(path: Path) -> None:
    path.write_bytes(ID3V2 + GENRE + path.read_bytes())
    assert reason(path) == Reason.ID3_TWICE


def test_what_it_says_of_itself(path: Path) -> None:
    _both(path)
    content = TTA.read(io.BytesIO(path.read_bytes()))
    assert (content.codec, content.channels, content.tags.title) == ("tta", 2, "Old title")
    assert content.length_seconds == pytest.approx(0.3)


def test_a_header_that_is_cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])
    assert reason(path) == Reason.DAMAGED
    assert TTA.read(io.BytesIO(path.read_bytes())).channels is None


def test_the_suffix_must_agree(path: Path) -> None:
    with pytest.raises(FormatError, match=str(Reason.WRONG_SUFFIX)):
        detect(io.BytesIO(path.read_bytes()), b".mp3")
