"""APE tags where they are odd: between other tags, old, read-only, damaged, lying."""

import io
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import av
import mutagen.apev2
import numpy as np
import pytest

from tagger.tags import opinion
from tagger.tags.formats.base import Copy, FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests import ape_files
from tests.ape_files import id3v1, id3v2, item, lyrics3, tag
from tests.audio import write_audio

CHANGES = {"genre": ("Jazz", "Böp"), "mood": ("Happy",), "TAGGER_GENRE": ("jazz",)}
TITLE = item(b"Title", b"Title")
KINDS = ("wavpack", *ape_files.KINDS)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bare audio of every kind."""
    folder = tmp_path_factory.mktemp("ape")
    made = {kind: ape_files.write(folder, kind).read_bytes() for kind in ape_files.KINDS}
    return made | {"wavpack": ape_files.untagged(write_audio(folder, "wavpack", 0.5).read_bytes())}


def spliced(content: bytes, path: Path, changes: dict[str, tuple[str, ...]] | None = None) -> bytes:
    """The new file, after a look whether its plan can be undone and its audio is the same."""
    path.write_bytes(content)
    file = io.BytesIO(content)
    container = detect(file, path.suffix.encode())
    plan = container.splice(file, CHANGES if changes is None else changes, Style())
    with path.open("rb") as source:
        new = b"".join(blocks(plan, source.fileno()))
    record = inverse(plan, len(content), lambda offset, length: content[offset : offset + length])
    made = path.with_name("new")
    made.write_bytes(new)
    with made.open("rb") as source:
        assert b"".join(blocks(record, source.fileno())) == content
        assert container.identity(source) == container.identity(file)
        assert container.read(source).foreign == container.read(file).foreign
    return new


def reason(content: bytes, suffix: str = "wv") -> str | None:
    """Why a file is refused, by reading it and by splicing it alike; None where it is not."""
    file = io.BytesIO(content)
    container = detect(file, f".{suffix}".encode())
    try:
        container.splice(file, CHANGES, Style())
        refused = None
    except FormatError as error:
        refused = error.refused()
    assert container.read(file).refusal == refused
    return refused.reason if refused else None


TAILS = {"ID3v1": id3v1(), "Lyrics3 and ID3v1": lyrics3() + id3v1()}
OLD = {"no tag": b"", "a tag": tag(TITLE), "no header": tag(TITLE, header=False)}
AROUND = [
    pytest.param(kind, old, tail, id=f"{kind}, {name}, {behind}")
    for kind in KINDS
    for name, old in OLD.items()
    for behind, tail in TAILS.items()
    if old or kind != "musepack 8"
]


@pytest.mark.parametrize(("kind", "old", "tail"), AROUND)
def test_what_stands_around_the_tag_stays(
    kind: str, old: bytes, tail: bytes, audio: dict[str, bytes], tmp_path: Path
) -> None:
    front = id3v2((b"TIT2", b"in front"), (b"TCON", b"Ambient")) + audio[kind]
    path = tmp_path / f"a.{ape_files.KINDS.get(kind, 'wv')}"
    new = spliced(front + old + tail, path)
    assert new.startswith(front)
    assert new.startswith(b"APETAGEX", len(front)) is (old[:8] in (b"", b"APETAGEX"))
    assert new.endswith(tail)
    seen = opinion.values(io.BytesIO(new), detect(io.BytesIO(new), path.suffix.encode()).name)
    assert seen == CHANGES | ({"title": ("Title",)} if old else {})


@pytest.mark.parametrize(("kind", "old", "tail"), AROUND)
def test_ffmpeg_plays_no_tag_that_it_did_not(
    kind: str, old: bytes, tail: bytes, audio: dict[str, bytes], tmp_path: Path
) -> None:
    """It complains of an ID3v1 tag in some of them, before as after."""
    content = audio[kind] + old + tail
    new = spliced(content, tmp_path / f"a.{ape_files.KINDS.get(kind, 'wv')}")
    assert samples(new).size == samples(content).size
    if not old:
        assert np.array_equal(samples(new), samples(content))


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_ffmpeg_would_play_a_new_tag_in_musepack_8(tail: bytes, audio: dict[str, bytes]) -> None:
    content = audio["musepack 8"]
    assert samples(content + tag(TITLE) + tail).size > samples(content + tail).size
    assert reason(content + tail, "mpc") == Reason.APE_AS_AUDIO
    assert reason(content + tag(TITLE) + tail, "mpc") is None


def samples(content: bytes) -> np.ndarray:
    """What FFmpeg decodes until it ends or fails."""
    frames: list[np.ndarray] = []
    with av.open(io.BytesIO(content)) as container, suppress(av.error.FFmpegError):
        frames.extend(frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0))
    return np.concatenate(frames)


def test_a_tag_behind_id3v1_stays_there(audio: dict[str, bytes], tmp_path: Path) -> None:
    front = audio["wavpack"] + id3v1()
    new = spliced(front + tag(TITLE), tmp_path / "a.wv")
    assert new.startswith(front)
    assert opinion.values(io.BytesIO(new), "wavpack") == CHANGES | {"title": ("Title",)}


def test_taglib_reads_a_new_tag_in_front_of_id3v1(
    audio: dict[str, bytes], tmp_path: Path, need_module: Callable[[str], ModuleType]
) -> None:
    taglib = need_module("taglib")
    for kind in ("wavpack", "musepack 7", "monkeys"):
        path = tmp_path / f"b.{ape_files.KINDS.get(kind, 'wv')}"
        new = spliced(audio[kind] + id3v1(), path)
        path.write_bytes(new)
        with taglib.File(str(path)) as file:
            assert (file.tags["GENRE"], file.tags["MOOD"]) == (["Jazz", "Böp"], ["Happy"])


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_ape_tag_does_not_say_the_others_do(kind: str, audio: dict[str, bytes]) -> None:
    front = id3v2((b"TPE1", b"artist in front"), (b"TCON", b"Ambient"), (b"TMOO", b"Calm"))
    content = front + audio[kind] + tag(item(b"MOOD", b"Sad\0\0Angry"), TITLE) + id3v1()
    file = io.BytesIO(content)
    tags = detect(file, f".{ape_files.KINDS.get(kind, 'wv')}".encode()).read(file).tags
    assert (tags.artist, tags.title, tags.year) == ("artist in front", "Title", 1987)
    assert (tags.genre, tags.mood) == (("Ambient",), ("Sad", "Angry"))


def test_a_field_keeps_its_place_spelling_and_flags_and_new_ones_go_in_front(
    audio: dict[str, bytes], tmp_path: Path
) -> None:
    cover = item(b"Cover Art (Front)", b"a.jpg\0" + bytes(300_000), flags=2)
    old = tag(TITLE, item(b"gENRE", b"Ambient", flags=1 << 16), cover, item(b"GENRE", b"Noise"))
    new = spliced(audio["wavpack"] + old, tmp_path / "a.wv")
    expected = tag(
        item(b"Mood", b"Happy"),
        item(b"TAGGER_GENRE", b"jazz"),
        TITLE,
        item(b"gENRE", "Jazz\0Böp".encode(), flags=1 << 16),
        cover,
    )
    assert new == audio["wavpack"] + expected


def test_a_cover_is_copied_not_carried(audio: dict[str, bytes]) -> None:
    cover = item(b"Cover Art (Front)", b"a.jpg\0" + bytes(300_000), flags=2)
    file = io.BytesIO(audio["wavpack"] + tag(cover))
    plan = detect(file, b".wv").splice(file, CHANGES, Style())
    assert sum(segment.length for segment in plan if not isinstance(segment, Copy)) < 300


def test_a_new_tag_is_what_mutagen_writes(audio: dict[str, bytes], tmp_path: Path) -> None:
    by_size = {name: CHANGES[name] for name in ("mood", "genre", "TAGGER_GENRE")}  # in which mutagen sorts its items
    new = spliced(audio["wavpack"], tmp_path / "a.wv", by_size)
    other = tmp_path / "b.wv"
    other.write_bytes(audio["wavpack"])
    theirs = mutagen.apev2.APEv2()
    theirs.update({"Mood": "Happy", "Genre": ["Jazz", "Böp"], "TAGGER_GENRE": "jazz"})
    theirs.save(other)
    assert new == other.read_bytes()


def test_the_last_item_takes_the_tag_with_it(audio: dict[str, bytes], tmp_path: Path) -> None:
    content = audio["wavpack"] + tag(item(b"Genre", b"Ambient")) + id3v1()
    assert spliced(content, tmp_path / "a.wv", {"genre": (), "mood": ()}) == audio["wavpack"] + id3v1()
    assert opinion.values(io.BytesIO(audio["wavpack"]), "wavpack") == {}


def test_version_1_stays_version_1(audio: dict[str, bytes], tmp_path: Path) -> None:
    old = tag(TITLE, version=1000, header=False)
    new = spliced(audio["wavpack"] + old, tmp_path / "a.wv", {"genre": ("Jazz",)})
    assert new == audio["wavpack"] + tag(item(b"Genre", b"Jazz"), TITLE, version=1000, header=False)
    for values in (("Jazz", "Blues"), ("Böp",)):
        with pytest.raises(FormatError) as caught:
            spliced(audio["wavpack"] + old, tmp_path / "a.wv", {"genre": values})
        assert caught.value.reason == Reason.APE_VERSION


DAMAGED = {
    "more items than there are": tag(TITLE, count=2),
    "fewer items than there are": tag(TITLE, TITLE, count=1),
    "many more items than there are": tag(TITLE, count=65_536),
    "too large": tag(TITLE, larger=0x7FFFFF00),
    "a little too large": tag(TITLE, larger=4),
    "a little too small": tag(TITLE, larger=-4),
    "smaller than its footer": tag(TITLE, larger=-40),
    "too large, without header": tag(TITLE, header=False, larger=12),
    "an item that runs past the end": tag(item(b"Title", b"x")[:3] + b"\x7f" + item(b"Title", b"x")[4:]),
    "a key without end": tag(b"\1\0\0\0\0\0\0\0Title"),
    "half an item": tag(b"\1\0\0\0"),
    "a header of another tag": tag(TITLE, count=7)[:32] + tag(TITLE)[32:],
    "a footer that is a header": tag(TITLE)[:-12] + b"\0\0\0\xa0" + bytes(8),
}


@pytest.mark.parametrize("tail", [b"", id3v1()], ids=["last", "in front of ID3v1"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_tag_is_refused(damage: str, tail: bytes, audio: dict[str, bytes]) -> None:
    assert reason(audio["wavpack"] + DAMAGED[damage] + tail) == Reason.APE_DAMAGED


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (tag(item(b"Title", b"B\xf6rk")), Reason.APE_ITEM),
        (tag(item(b"Related", b"http://\xff", flags=4)), Reason.APE_ITEM),
        (tag(item(b"Title", b"x", flags=6)), Reason.APE_ITEM),
        (tag(item(b"T", b"x")), Reason.APE_ITEM),
        (tag(item(b"oggs", b"x")), Reason.APE_ITEM),
        (tag(item(b"T\xefter", b"x")), Reason.APE_ITEM),
        (tag(item(b"x" * 256, b"x")), Reason.APE_ITEM),
        (tag(item(b"Genre", b"\1\2", flags=2)), Reason.APE_ITEM),
        (tag(item(b"genre", b"Rock", flags=1)), Reason.APE_READ_ONLY),
        (tag(item(b"Tagger_Date", b"x", flags=1)), Reason.APE_READ_ONLY),
        (tag(TITLE, header=False)[:-12] + b"\1\0\0\0" + bytes(8), Reason.APE_READ_ONLY),
        (tag(TITLE, version=3000), Reason.APE_VERSION),
        (tag(TITLE, count=0xFFFFFFFF), Reason.APE_TOO_LARGE),
        (tag(TITLE) + tag(TITLE), Reason.APE_TWICE),
        (tag(TITLE)[:32] + tag(TITLE, header=False), Reason.APE_TWICE),
        (tag(TITLE) + id3v1() + tag(TITLE), Reason.APE_TWICE),
        (tag(TITLE) + id3v1() + id3v1(), Reason.APE_HIDDEN),
        (tag(TITLE) + b"LYRICSBEGINla laLYRICSEND" + id3v1(), Reason.APE_HIDDEN),
        (b"LYRICSBEGIN" + b"009999LYRICS200" + id3v1(), Reason.APE_HIDDEN),
        (lyrics3(), Reason.APE_HIDDEN),
        (tag(TITLE, item(b"Title", b"again")), None),
        (tag(item(b"Title", b"")), None),
        (tag(), None),
        (tag(TITLE) + lyrics3() + id3v1(), None),
    ],
)
def test_what_is_refused(made: bytes, expected: Reason | None, audio: dict[str, bytes]) -> None:
    assert reason(audio["wavpack"] + made) == expected


def test_a_refused_tag_is_read_all_the_same(audio: dict[str, bytes]) -> None:
    file = io.BytesIO(audio["wavpack"] + tag(item(b"Title", b"B\xf6rk"), item(b"Genre", b"Ambient")))
    content = detect(file, b".wv").read(file)
    assert (content.tags.title, content.tags.genre) == ("B�rk", ("Ambient",))


def test_a_tag_that_is_too_large(audio: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    from tagger.tags.formats import ape

    monkeypatch.setattr(ape, "MAX_TAG_BYTES", 200)
    assert reason(audio["wavpack"] + tag(item(b"Title", bytes(300), flags=2))) == Reason.APE_TOO_LARGE
    with pytest.raises(FormatError) as caught:
        detect(io.BytesIO(audio["wavpack"]), b".wv").splice(
            io.BytesIO(audio["wavpack"]), {"genre": ("x" * 300,)}, Style()
        )
    assert caught.value.reason == Reason.APE_TOO_LARGE


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_tags_are_refused_or_undoable(kind: str, audio: dict[str, bytes], tmp_path: Path) -> None:
    """Seeded mutations of tag and tail: a value or a FormatError comes of each, and nothing foreign is lost."""
    generator = random.Random(kind)
    items = (TITLE, item(b"Genre", b"Ambient"), item(b"Cover Art (Front)", b"a\0" + bytes(300), flags=2))
    path = tmp_path / f"m.{ape_files.KINDS.get(kind, 'wv')}"
    refused = 0
    for number in range(150):
        rest = bytearray(tag(*items, header=number % 2 == 0) + (lyrics3() + id3v1()) * (number % 3 > 0))
        for _ in range(generator.randint(1, 4)):
            rest[generator.randrange(len(rest))] = generator.randrange(256)
        if number % 5 == 0:
            del rest[generator.randrange(len(rest)) :]
        try:
            new = spliced(audio[kind] + bytes(rest), path)
        except FormatError:
            refused += 1
            continue
        assert new.startswith(audio[kind])
    assert 0 < refused < 150


@pytest.mark.parametrize(("flags", "expected"), [(1, Reason.APE_READ_ONLY), (2, Reason.APE_ITEM)])
def test_a_grouping_that_may_not_change_is_in_the_way_only_where_it_would(
    audio: dict[str, bytes], tmp_path: Path, flags: int, expected: Reason
) -> None:
    theirs = item(b"GROUPING", b"Peak time", flags=flags)
    content = audio["wavpack"] + tag(TITLE, theirs)
    assert theirs in spliced(content, tmp_path / "a.wv")
    for values in (("Happy",), ()):
        with pytest.raises(FormatError) as refused:
            spliced(content, tmp_path / "a.wv", {"grouping": values})
        assert refused.value.refused().reason == expected
