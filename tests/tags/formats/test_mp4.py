"""M4A files as others leave them: genres in older spellings and other places, atoms of all kinds, two tracks."""

import io
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import mutagen.mp4
import pytest

from tagger.tags.formats import mp4_atoms
from tagger.tags.formats.base import PADDING_BYTES, FormatError, Style
from tagger.tags.formats.mp4 import MP4
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests.audio import write_audio
from tests.tags.formats.mp4_bytes import (
    ID3V1,
    as_it_is_found,
    atom,
    data,
    freeform,
    handler,
    keyed,
    listed,
    quicktime_text,
    text,
    with_moov,
)

GNRE = atom(b"gnre", data(b"\0\x12", 0))  # Rock is 17 in ID3v1
SKA = text(b"\xa9gen", b"Ska")
FREE = freeform(b"com.apple.iTunes", b"Genre", b"Ska")
TITLE = text(b"\xa9nam", b"Title")
MOOD = {"mood": ("Calm",)}
GENRE = {"genre": ("Jazz",)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_audio(tmp_path_factory.mktemp("plain"), "m4a", 0.5).read_bytes()


def spliced(content: bytes, changes: dict[str, tuple[str, ...]], tmp_path: Path) -> bytes:
    """The new file; checked: the foreign entries, the identity, the undo, every sample of every track."""
    old, new, back = io.BytesIO(content), tmp_path / "new.m4a", tmp_path / "old.m4a"
    back.write_bytes(content)
    plan = MP4.splice(old, changes, Style())
    with back.open("rb") as source:
        new.write_bytes(b"".join(blocks(plan, source.fileno())))
    record = inverse(plan, len(content), lambda offset, length: content[offset : offset + length])
    with new.open("rb") as source:
        assert b"".join(blocks(record, source.fileno())) == content
        assert MP4.read(source).refusal is None
        assert MP4.read(source).foreign == MP4.read(old).foreign
        assert MP4.identity(source) == MP4.identity(old)
    assert list(packets(new.read_bytes())) == list(packets(content))
    return new.read_bytes()


def packets(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Of all tracks, as FFmpeg finds them."""
    with av.open(io.BytesIO(content), metadata_errors="replace") as file:
        for packet in file.demux():
            if packet.size:
                yield packet.stream.index, bytes(packet)


def seen(content: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    tags = MP4.read(io.BytesIO(content)).tags
    return tags.genre, tags.mood


def reason(content: bytes, changes: dict[str, tuple[str, ...]] = MOOD) -> str | None:
    try:
        MP4.splice(io.BytesIO(content), changes, Style())
    except FormatError as error:
        return error.reason
    return None


# --- the genre in other spellings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "genre"),
    [((GNRE,), ("Rock",)), ((FREE,), ("Ska",)), ((GNRE, SKA), ("Rock", "Ska")), ((FREE, SKA), ("Ska",))],
)
def test_a_genre_in_an_older_spelling_is_the_genre(
    entries: tuple[bytes, ...], genre: tuple[str, ...], plain: bytes, tmp_path: Path
) -> None:
    content = with_moov(plain, atom(b"udta", listed(TITLE, *entries, text(b"\xa9alb", b"Album"))))
    assert seen(content) == (genre, ())
    kept = spliced(content, MOOD, tmp_path)
    assert seen(kept) == (genre, ("Calm",))
    assert all(kept.count(entry) == 1 for entry in entries)
    new = spliced(content, GENRE, tmp_path)
    assert not any(entry in new for entry in entries)
    assert TITLE + text(b"\xa9gen", b"Jazz") + text(b"\xa9alb", b"Album") in new, "in its place"
    assert mutagen.mp4.MP4(io.BytesIO(new))["\xa9gen"] == ["Jazz"]
    assert seen(spliced(content, {"genre": ()}, tmp_path)) == ((), ())


def test_a_number_that_is_no_genre_says_nothing(plain: bytes, tmp_path: Path) -> None:
    content = with_moov(plain, atom(b"udta", listed(atom(b"gnre", data(b"\x0f\xff", 0)))))
    assert seen(content) == ((), ())
    assert b"gnre" not in spliced(content, GENRE, tmp_path)


# --- the genre in other places --------------------------------------------------------------------------------------

KEYS = {b"title": b"T", b"GENRE": b"Ska", b"mood": b"Sad"}
APPLE = {b"com.apple.quicktime.genre": b"Ska"}


def beside(content: bytes, where: str) -> bytes:
    """A genre outside the list."""
    made = {
        "keys": lambda: with_moov(content, keyed(KEYS)),
        "keys beside a list": lambda: with_moov(content, keyed(APPLE), atom(b"udta", listed(TITLE))),
        "keys at the end": lambda: with_moov(content, atom(b"udta", listed(TITLE))) + keyed(APPLE),
        "texts": lambda: with_moov(content, atom(b"udta", quicktime_text(b"\xa9gen", b"Ska"))),
        "texts beside a list": lambda: with_moov(
            content, atom(b"udta", quicktime_text(b"\xa9gen", b"Ska"), listed(TITLE))
        ),
        "a list outside": lambda: with_moov(content, listed(SKA)),
    }
    return made[where]()


@pytest.mark.parametrize(
    "where", ["keys", "keys beside a list", "keys at the end", "texts", "texts beside a list", "a list outside"]
)
def test_a_genre_beside_the_list_is_the_users(where: str, plain: bytes, tmp_path: Path) -> None:
    """FFmpeg shows it: so it is seen, it stays, and no other is written beside it."""
    content = beside(plain, where)
    with av.open(io.BytesIO(content)) as file:
        shown = {name.lower().rpartition(".")[2]: value for name, value in file.metadata.items()}
    assert shown["genre"] == "Ska"
    assert seen(content)[0] == ("Ska",)
    assert reason(content, GENRE) == Reason.MP4_BESIDE
    if where == "keys":
        assert reason(content) == Reason.MP4_BESIDE  # it has the mood, too
        content = beside(plain, where).replace(b"mood", b"Moon")
    new = spliced(content, MOOD | {"TAGGER_MOOD": ("calm",)}, tmp_path)
    assert seen(new) == (("Ska",), ("Calm",))


def test_the_list_counts_where_both_say_something(plain: bytes) -> None:
    content = with_moov(plain, keyed(KEYS), atom(b"udta", listed(text(b"\xa9gen", b"Pop"))))
    assert seen(content) == (("Pop",), ("Sad",))


@pytest.mark.parametrize(
    "more",
    [
        (atom(b"udta", listed(TITLE)), atom(b"udta", listed(SKA))),
        (atom(b"udta", listed(TITLE), listed(SKA)),),
        (atom(b"udta", atom(b"meta", bytes(4), handler(b"mdir"), atom(b"ilst", TITLE), atom(b"ilst", SKA))),),
        (atom(b"udta", keyed(KEYS)),),
        (atom(b"udta", atom(b"meta", bytes(4), handler(b"ID32"), atom(b"ID32", bytes(20)))),),
        (keyed(APPLE, version=b""), atom(b"udta", listed(TITLE))),
        (atom(b"udta", keyed(APPLE, version=b"")),),
        (atom(b"udta", quicktime_text(b"\xa9nam", b"T"), bytes(4)),),
        (atom(b"udta", bytes(4)),),
        (atom(b"udta", atom(b"meta", bytes(4), handler(b"mdir"), atom(b"ilst", TITLE), bytes(4))),),
    ],
)
def test_lists_that_programs_find_differently(more: tuple[bytes, ...], plain: bytes) -> None:
    assert reason(with_moov(plain, *more)) == Reason.MP4_LAYOUT


def test_an_identity_does_not_depend_on_how_the_metadata_is_laid_out(plain: bytes) -> None:
    assert MP4.identity(io.BytesIO(with_moov(plain, atom(b"udta", keyed(KEYS))))) == MP4.identity(io.BytesIO(plain))


# --- the rest of the file -------------------------------------------------------------------------------------------


def test_a_meta_atom_without_a_list_gets_one(plain: bytes, tmp_path: Path) -> None:
    content = with_moov(plain, atom(b"udta", atom(b"meta", bytes(4), handler(b"mdir")), atom(b"Xtra", bytes(9))))
    new = spliced(content, GENRE, tmp_path)
    assert mutagen.mp4.MP4(io.BytesIO(new))["\xa9gen"] == ["Jazz"]
    assert new.count(b"hdlr") == content.count(b"hdlr")


def test_an_id3v1_tag_at_the_end_stays(plain: bytes, tmp_path: Path) -> None:
    content = plain + ID3V1
    new = spliced(content, GENRE, tmp_path)
    assert new.endswith(ID3V1)
    assert MP4.identity(io.BytesIO(content)) == MP4.identity(io.BytesIO(plain))
    assert reason(plain + b"TAG" + bytes(60)) == Reason.DAMAGED


def test_what_programs_leave_in_one_file_stays_byte_for_byte(plain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "found.m4a"
    path.write_bytes(plain)
    as_it_is_found(path)
    old = path.read_bytes()
    new = spliced(old, MOOD, tmp_path)
    at = old.index(b"ilst") + 4
    end = at - 8 + int.from_bytes(old[at - 8 : at - 4], "big")
    assert new[new.index(b"ilst") + 4 :].startswith(old[at:end]), "the entries, in their order"
    assert new.endswith(old[old.index(b"somebody's own") - 8 :]), "what is behind moov"


def chaptered(plain: bytes, folder: Path, *, front: bool) -> bytes:
    """With chapters as FFmpeg writes them: `chpl`, and a track of texts among the samples of the sound."""
    path = folder / "chapters.m4b"
    options = {"movflags": "faststart"} if front else {}
    with (
        av.open(io.BytesIO(plain)) as source,
        av.open(str(path), "w", format="ipod", options=options) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        times = ((1, 0, 200, "One"), (2, 200, 500, "Two"))
        target.set_chapters(
            [
                {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for number, start, end, title in times
            ]
        )
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path.read_bytes()


@pytest.mark.parametrize("front", [True, False])
def test_chapters_and_their_track_stay(front: bool, plain: bytes, tmp_path: Path) -> None:
    content = chaptered(plain, tmp_path, front=front)
    assert (content.index(b"moov") < content.index(b"mdat")) == front
    assert content.count(b"stco") == 2
    assert b"chpl" in content
    new = spliced(content, GENRE, tmp_path)
    assert len(new) > len(content) + (PADDING_BYTES if front else 0)
    with av.open(io.BytesIO(new)) as file:
        assert [one["metadata"]["title"] for one in file.chapters()] == ["One", "Two"]
    again = spliced(new, MOOD, tmp_path)
    assert len(again) == len(new) or not front


def test_audio_that_ends_with_the_file_may_say_no_size(plain: bytes, tmp_path: Path) -> None:
    """With `sidx` and `uuid` between moov and it, which stay, and several free atoms, of which one is filled."""
    content = chaptered(plain, tmp_path, front=True)
    at = content.index(b"mdat") - 4
    between = (atom(b"free", bytes(32)), atom(b"sidx", bytes(40)), atom(b"uuid", bytes(16), b"kept"), atom(b"free"))
    added = b"".join(between)
    top = mp4_atoms.top_level(io.BytesIO(content))
    assert [one.name for one in top if one.offset >= at] == [b"mdat"]
    moov = next(one for one in top if one.name == b"moov")
    moved = bytearray(content)
    for table in mp4_atoms.offset_tables(io.BytesIO(content), moov):
        for number, offset in enumerate(table.offsets):
            place = table.entries_at + 4 * number
            moved[place : place + 4] = (offset + len(added)).to_bytes(4, "big")
    made = bytes(moved[:at]) + added + bytes(4) + content[at + 4 :]
    assert list(packets(made)) == list(packets(content))
    new = spliced(made, GENRE, tmp_path)
    assert b"".join(between[1:]) + bytes(4) + b"mdat" in new
    assert MP4.identity(io.BytesIO(made + ID3V1)) == MP4.identity(io.BytesIO(plain))


@pytest.mark.parametrize(("name", "holder"), [(b"saio", b"stbl"), (b"iloc", b"meta")])
def test_offsets_that_are_not_followed(name: bytes, holder: bytes, plain: bytes) -> None:
    content = with_moov(plain, atom(b"udta", listed(TITLE)))
    at = content.index(holder) + 4 + (4 if holder == b"meta" else 0)
    new = atom(name, bytes(8))
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl") if holder == b"stbl" else (b"moov", b"udta", b"meta"):
        place = content.index(parent) - 4
        grown = int.from_bytes(content[place : place + 4], "big") + len(new)
        content = content[:place] + grown.to_bytes(4, "big") + content[place + 4 :]
    assert reason(content[:at] + new + content[at:]) == Reason.MP4_OFFSETS


def test_mutated_metadata_is_refused_or_undoable(plain: bytes, tmp_path: Path) -> None:
    whole = with_moov(plain, keyed(APPLE), atom(b"udta", quicktime_text(b"\xa9gen", b"Ska"), listed(TITLE, GNRE)))
    first = whole.index(b"keys") - 60
    generator = random.Random(11)
    written = 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            content[generator.randrange(first, len(content))] = generator.choice(
                (0, 1, 8, 0xFF, generator.randrange(256))
            )
        old = io.BytesIO(content)
        before = MP4.read(old)
        try:
            plan = MP4.splice(old, MOOD, Style())
        except FormatError:
            continue
        path = tmp_path / "mutated.m4a"
        path.write_bytes(content)
        with path.open("rb") as source:
            new = b"".join(blocks(plan, source.fileno()))
        after = MP4.read(io.BytesIO(new))
        assert (after.foreign, after.tags.genre) == (before.foreign, before.tags.genre) or before.refusal
        written += 1
    assert written
