"""FLAC files whose blocks are laid out as no encoder does it, and room for the comment to grow."""

import io
from pathlib import Path

import av
import mutagen.flac
import pytest

from tagger.tags.formats.base import PADDING_BYTES, FormatError, Style
from tagger.tags.formats.flac import FLAC
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests.audio import write_audio
from tests.tags.formats.flac_bytes import (
    APPLICATION,
    COMMENT,
    FOUND,
    PADDING,
    PICTURE,
    Block,
    as_it_is_found,
    comment,
    joined,
    split,
)

MOST_BYTES = (1 << 24) - 1
LONG = {"TAGGER_NOTE": ("x" * 400,)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_audio(tmp_path_factory.mktemp("plain"), "flac", 0.3).read_bytes()


def with_blocks(plain: bytes, *more: Block) -> bytes:
    found, frames = split(plain)
    return joined([found[0], *more], frames)


def spliced(content: bytes, changes: dict[str, tuple[str, ...]], tmp_path: Path) -> bytes:
    """The new file; checked: the foreign blocks and entries, and the undo."""
    old, new, back = io.BytesIO(content), tmp_path / "new.flac", tmp_path / "old.flac"
    back.write_bytes(content)
    plan = FLAC.splice(old, changes, Style())
    with back.open("rb") as source:
        new.write_bytes(b"".join(blocks(plan, source.fileno())))
    record = inverse(plan, len(content), lambda offset, length: content[offset : offset + length])
    with new.open("rb") as source:
        assert b"".join(blocks(record, source.fileno())) == content
        assert FLAC.read(source).foreign == FLAC.read(old).foreign
        assert FLAC.identity(source) == FLAC.identity(old)
    return new.read_bytes()


def reason(content: bytes, changes: dict[str, tuple[str, ...]]) -> str | None:
    try:
        FLAC.splice(io.BytesIO(content), changes, Style())
    except FormatError as error:
        return error.reason
    return None


@pytest.mark.parametrize("room", [None, 0, 1, 400, 416])
def test_where_the_padding_does_not_suffice_the_audio_moves_once(
    room: int | None, plain: bytes, tmp_path: Path
) -> None:
    """416 bytes are what the new entry takes, with its length and its name."""
    padding = [] if room is None else [(PADDING, bytes(room))]
    content = with_blocks(plain, (COMMENT, comment(b"TITLE=x")), *padding)
    new = spliced(content, LONG, tmp_path)
    if room == 416:
        assert len(new) == len(content)
        assert (PADDING, b"") in split(new)[0]
        return
    assert (PADDING, bytes(PADDING_BYTES)) in split(new)[0]
    assert len(spliced(new, LONG | {"genre": ("Jazz",)}, tmp_path)) == len(new)


def test_the_largest_padding_gives_way_and_never_grows(plain: bytes, tmp_path: Path) -> None:
    content = with_blocks(plain, (COMMENT, comment(b"TITLE=x", b"GENRE=Ska")), (PADDING, bytes(MOST_BYTES)))
    assert len(spliced(content, LONG, tmp_path)) == len(content)
    shorter = spliced(content, {"genre": ()}, tmp_path)
    assert (PADDING, bytes(MOST_BYTES)) in split(shorter)[0], "a block cannot say that it is larger"


def test_blocks_keep_their_order_and_every_byte(plain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "found.flac"
    path.write_bytes(plain)
    as_it_is_found(path)
    content = path.read_bytes()
    new = spliced(content, {"mood": ("Calm",)}, tmp_path)
    (before, frames), (after, moved) = split(content), split(new)
    assert [block for block in after if block[0] not in (PADDING, COMMENT)] == [
        block for block in before if block[0] not in (PADDING, COMMENT)
    ]
    assert (PADDING, b"not only zeros") in after
    assert moved == frames
    assert comment(*FOUND, b"MOOD=Calm") in new


def test_a_picture_that_claims_less_than_it_has_is_refused(plain: bytes) -> None:
    """Of more than 16 MiB: its length does not fit into the block's, and other programs wrote what was left of it."""
    found, frames = split(plain)
    picture = joined([(PICTURE, bytes(MOST_BYTES))], b"")[4:] + bytes(5_000)
    content = joined([found[0]], b"").replace(b"\x80\0\0\x22", b"\0\0\0\x22") + picture + frames
    assert reason(content, LONG) == Reason.DAMAGED


def test_a_comment_that_no_block_holds(plain: bytes) -> None:
    assert reason(plain, {"TAGGER_NOTE": ("x" * MOST_BYTES,)}) == Reason.COMMENT_TOO_LARGE


# --- a second comment, which the format forbids ---------------------------------------------------------------------


def test_a_second_comment_is_seen(plain: bytes, tmp_path: Path) -> None:
    """FFmpeg shows both; so what it says is the user's, and no other value is written beside it."""
    second = (COMMENT, comment(b"TITLE=second", b"GENRE=Ska"))
    content = with_blocks(plain, (COMMENT, comment(b"TITLE=first")), (APPLICATION, b"test"), second)
    with av.open(io.BytesIO(content)) as file:
        assert file.metadata["GENRE"] == "Ska"
    tags = FLAC.read(io.BytesIO(content)).tags
    assert (tags.genre, tags.title) == (("Ska",), "first")
    assert reason(content, {"genre": ("Jazz",)}) == Reason.COMMENT_TWICE
    new = spliced(content, {"mood": ("Calm",)}, tmp_path)
    assert second in split(new)[0]
    assert mutagen.flac.FLAC(fileobj=io.BytesIO(new))["mood"] == ["Calm"]


def test_a_second_comment_that_is_damaged(plain: bytes) -> None:
    content = with_blocks(plain, (COMMENT, comment(b"TITLE=first")), (COMMENT, b"\xff" * 8))
    assert reason(content, LONG) == Reason.COMMENT_DAMAGED
