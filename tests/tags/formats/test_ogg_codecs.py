"""The header packets of Speex and FLAC in Ogg: as many as the codec has, and none that lies."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from mutagen.ogg import OggPage

from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.formats.ogg_pages import pages
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests.audio import write_audio, write_speex
from tests.ogg_headers import with_headers

Change = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def flac(tmp_path: Path) -> Path:
    return write_audio(tmp_path, "ogg-flac", 0.5)


def block(kind: int, body: bytes, last: bool = False) -> bytes:
    return bytes((kind | last << 7,)) + len(body).to_bytes(3, "big") + body


def more_blocks(*blocks: bytes, declared: int | None = None) -> Change:
    """The file with these metadata blocks behind the comment."""

    def change(packets: list[bytes]) -> list[bytes]:
        head, comment = packets
        count = 1 + len(blocks) if declared is None else declared
        head = head[:7] + count.to_bytes(2, "big") + head[9:]
        return [head, block(4, comment[4:], last=not blocks), *blocks]

    return change


def uncounted(head: bytes) -> bytes:
    return head[:7] + b"\0\0" + head[9:]


def changed(path: Path) -> bytes:
    """The file with a genre and a long text, proven to be undoable, its foreign entries and identity the same."""
    old = path.read_bytes()
    file = io.BytesIO(old)
    container = detect(file, path.suffix.encode())
    before = container.read(file)
    assert before.refusal is None
    plan = container.splice(file, {"genre": ("Jazz",), "TAGGER_MODEL": ("x" * 70_000,)}, Style())
    with path.open("rb") as source:
        new = b"".join(blocks(plan, source.fileno()))
    record = inverse(plan, len(old), lambda offset, length: old[offset : offset + length])
    result = path.with_name("result")
    result.write_bytes(new)
    with result.open("rb") as source:
        assert b"".join(blocks(record, source.fileno())) == old
        after = container.read(source)
        assert (after.refusal, after.tags.genre, after.foreign) == (None, ("Jazz",), before.foreign)
        assert container.identity(source) == container.identity(file)
        numbers = [page.number for page in pages(source)]
    assert numbers == list(range(len(numbers)))
    return new


def reason(path: Path) -> str | None:
    file = io.BytesIO(path.read_bytes())
    container = detect(file, path.suffix.encode())
    refusal = container.read(file).refusal
    expected = refusal.reason if refusal else None
    try:
        container.splice(file, {"genre": ("Jazz",)}, Style())
        found = None
    except FormatError as error:
        found = error.reason
    assert found == expected
    return found


def test_speex_tells_how_many_headers_it_has(tmp_path: Path, need: Callable[[str], str]) -> None:
    """FFmpeg plays no such file, so no decoder can say the last word here."""
    path = write_speex(tmp_path, need)
    extra = [b"extra" * 100, b""]
    with_headers(path, lambda packets: [packets[0][:68] + b"\2\0\0\0" + packets[0][72:], packets[1], *extra])
    assert b"extra" * 100 in changed(path)


def test_speex_whose_headers_never_end(tmp_path: Path, need: Callable[[str], str]) -> None:
    path = write_speex(tmp_path, need)
    with_headers(path, lambda packets: [packets[0][:68] + b"\xff" * 4 + packets[0][72:], packets[1]])
    assert reason(path) == Reason.DAMAGED


def test_flac_blocks_behind_the_comment_stay(flac: Path) -> None:
    picture, application = block(6, bytes(range(256)) * 500), block(2, b"test" + bytes(40), last=True)
    with_headers(flac, more_blocks(picture, application))
    new = changed(flac)
    assert application in new
    assert picture[-300:] in new


def test_flac_has_an_identity_that_no_picture_changes(flac: Path) -> None:
    def identity() -> str:
        file = io.BytesIO(flac.read_bytes())
        return detect(file, b".oga").identity(file)

    plain = flac.read_bytes()
    bare = identity()
    with_headers(flac, more_blocks(block(6, bytes(200)), block(1, bytes(20), last=True)))
    assert identity() == bare
    flac.write_bytes(plain)
    with_headers(flac, more_blocks(block(2, b"test", last=True)))
    assert identity() != bare


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (more_blocks(block(1, bytes(8), last=True), declared=7), Reason.DAMAGED),
        (more_blocks(block(1, bytes(8))), Reason.DAMAGED),
        (lambda packets: [uncounted(packets[0]), block(1, bytes(8)), packets[1]], Reason.COMMENT_DAMAGED),
        (lambda packets: [uncounted(packets[0]), b"\x04" + packets[1][1:], packets[1]], Reason.COMMENT_TWICE),
        (lambda packets: [packets[0], packets[1] + b"more"], Reason.COMMENT_DAMAGED),
        (lambda packets: [packets[0], packets[1][:4]], Reason.COMMENT_DAMAGED),
        (lambda packets: [packets[0][:40], packets[1]], Reason.DAMAGED),
        (lambda packets: [packets[0][:7] + b"\0\0fLaC\x80" + packets[0][14:]], Reason.COMMENT_DAMAGED),
    ],
)
def test_flac_headers_that_are_refused(flac: Path, change: Change, expected: Reason) -> None:
    with_headers(flac, change)
    assert reason(flac) == expected


@pytest.mark.parametrize("kind", ["ogg-vorbis", "ogg-opus", "ogg-flac"])
def test_an_identification_that_is_cut_short(kind: str, tmp_path: Path) -> None:
    path = write_audio(tmp_path, kind, 0.5)
    content = path.read_bytes()
    second = list(pages(io.BytesIO(content)))[1]
    page = OggPage(io.BytesIO(content))
    page.packets = [page.packets[0][:8]]
    path.write_bytes(page.write() + content[second.offset :])
    assert reason(path) == Reason.DAMAGED


def test_a_comment_on_the_first_page(flac: Path) -> None:
    file = io.BytesIO(flac.read_bytes())
    first, second = OggPage(file), OggPage(file)
    audio = io.BytesIO(file.read())
    first.packets = [*first.packets, *second.packets]
    OggPage.renumber(audio, first.serial, 1)
    flac.write_bytes(first.write() + audio.getvalue())
    assert reason(flac) == Reason.DAMAGED


@pytest.mark.parametrize("suffix", ["ogg", "oga", "opus", "spx"])
def test_every_ogg_suffix_may_hold_every_codec(flac: Path, suffix: str) -> None:
    assert reason(flac.rename(flac.with_suffix("." + suffix))) is None


def test_flac_in_ogg_is_no_flac_file(flac: Path) -> None:
    with pytest.raises(FormatError, match=str(Reason.WRONG_SUFFIX)):
        reason(flac.rename(flac.with_suffix(".flac")))
