"""A new tag of the kind that we write says what only an older one did, which players no longer show beside it."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import mutagen.apev2
import mutagen.flac
import mutagen.id3
import mutagen.wave
import pytest

from tagger.daemon.scanner import describe
from tagger.records import (
    Edit,
    FieldEdit,
    FieldRule,
    History,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
    Refused,
)
from tagger.tags.edit import propose
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.undo import prepare_undo
from tagger.tags.write import commit, prepare
from tests import ape_files
from tests.audio import write_audio
from tests.readers import READERS, Shown
from tests.tags.formats import id3_bytes
from tests.tags.test_tag_write import NOW, POLICY, analysis, inspected

SAID = {"title": "Motörhead live", "artist": "Somebody", "album": "Rare things"}
FIELDS = {**SAID, "albumartist": "Various", "date": "1987-05-01", "track": "7/9", "comment": "kept"}
OVERWRITE = replace(POLICY, genre=FieldRule.OVERWRITE, mood=FieldRule.OVERWRITE)

Dress = Callable[[Path], None]


def v1(path: Path, **fields: str) -> None:
    """With the genre Rock, and the seventh track, as version 1.1 has it."""
    said = SAID | fields
    texts = (said["title"], said["artist"], said["album"])
    raw = b"TAG" + b"".join(text.encode("latin-1")[:30].ljust(30, b"\0") for text in texts)
    path.write_bytes(path.read_bytes() + raw + b"1987" + b"kept".ljust(29, b"\0") + b"\x07" + b"\x11")


def ape(path: Path, **more: str) -> None:
    tag = mutagen.apev2.APEv2()
    names = ("Title", "Artist", "Album", "Album Artist", "Year", "Track", "Comment")
    tag.update(dict(zip(names, FIELDS.values(), strict=True)) | more)
    tag.save(path)


def v2(path: Path) -> None:
    tag = mutagen.id3.ID3()
    names = ("TIT2", "TPE1", "TALB", "TPE2", "TDRC", "TRCK")
    for name, text in zip(names, FIELDS.values(), strict=False):
        tag.add(getattr(mutagen.id3, name)(encoding=3, text=text))
    tag.add(mutagen.id3.COMM(encoding=3, lang="eng", desc="", text="kept"))
    file = io.BytesIO()
    tag.save(file, v1=0, padding=lambda info: 0)
    path.write_bytes(file.getvalue() + path.read_bytes())


def info(path: Path, *more: tuple[bytes, bytes]) -> None:
    names = (b"INAM", b"IART", b"IPRD", b"ICRD", b"ICMT", b"IPRT")
    texts = (*SAID.values(), FIELDS["date"], "kept", "7")
    pairs = [*zip(names, (text.encode() + b"\0" for text in texts), strict=True), *more]
    body = b"INFO" + b"".join(
        name + len(text).to_bytes(4, "little") + text + bytes(len(text) % 2) for name, text in pairs
    )
    content = path.read_bytes() + b"LIST" + len(body).to_bytes(4, "little") + body
    path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])


def bare(path: Path) -> None:
    """Without the APE tag that FFmpeg leaves behind TTA and WavPack."""
    path.write_bytes(ape_files.untagged(path.read_bytes()))


def no_comment(path: Path) -> None:
    """Without the block, which other encoders than FFmpeg's leave out; its own is the last but for padding."""
    content = path.read_bytes()
    streaminfo, frames = content[4 : 8 + 34], content.index(b"\xff\xf8", 42)
    path.write_bytes(b"fLaC" + bytes((0x80,)) + streaminfo[1:] + content[frames:])


def empty_comment(path: Path) -> None:
    file = mutagen.flac.FLAC(path)
    file.clear()
    file.save()


def empty_v23(path: Path) -> None:
    """A tag from which somebody has deleted all frames."""
    path.write_bytes(id3_bytes.tag(3, 0, bytes(100)) + path.read_bytes())


def gain(path: Path) -> None:
    tag = mutagen.apev2.APEv2()
    tag["REPLAYGAIN_TRACK_GAIN"] = "-3.20 dB"
    tag.save(path)


CASES: dict[str, tuple[str, tuple[Dress, ...]]] = {
    "mp3, v1": ("mp3", (v1,)),
    "mp3, APE": ("mp3", (ape,)),
    "mp3, APE and v1": ("mp3", (ape, v1)),
    "mp3, gain and v1": ("mp3", (gain, v1)),
    "mp3, empty v2.3 and v1": ("mp3", (empty_v23, v1)),
    "tta, v1": ("tta", (bare, v1)),
    "tta, APE": ("tta", (bare, ape)),
    "wav, INFO": ("wav", (info,)),
    "wavpack, v1": ("wavpack", (bare, v1)),
    "musepack 7, v1": ("musepack 7", (v1,)),
    "musepack 7, v2": ("musepack 7", (v2,)),
    "musepack 8, v2": ("musepack 8", (v2,)),
    "monkeys, v1": ("monkeys", (v1,)),
    "monkeys, v2 and v1": ("monkeys", (v2, v1)),
    "flac, v2": ("flac", (no_comment, v2)),
    "flac, empty comment and v2": ("flac", (empty_comment, v2)),
    "flac, v1": ("flac", (no_comment, v1)),
    "flac, APE": ("flac", (no_comment, ape)),
}


def make(folder: Path, case: str) -> Path:
    kind, dresses = CASES[case]
    made = ape_files.write(folder, kind) if kind in ape_files.KINDS else write_audio(folder, kind, 0.5)
    path = made.rename(folder / (case.replace(" ", "-") + made.suffix))
    for dress in dresses:
        dress(path)
    return path


def edit_of(path: Path, policy: Policy = POLICY, sure: float = 0.8) -> Edit:
    edit = propose(inspected(path), analysis(sure=sure), policy, History(), NOW)
    assert isinstance(edit, Edit), edit
    return edit


def write(path: Path, policy: Policy = POLICY, sure: float = 0.8) -> Prepared:
    prepared = prepare(edit_of(path, policy, sure))
    assert isinstance(prepared, Prepared), prepared
    commit(prepared)
    return prepared


def refused(path: Path, policy: Policy = POLICY) -> str:
    answer = propose(inspected(path), analysis(), policy, History(), NOW)
    answer = prepare(answer) if isinstance(answer, Edit) else answer
    assert isinstance(answer, Refused), answer
    return answer.reason


def carried(path: Path) -> Mapping[str, tuple[str, ...]]:
    return inspected(path).carried


# --- what readers show ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Library:
    """Every case before and after its write."""

    before: Path
    after: Path
    names: Mapping[str, str]  # case -> file name


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    before, after = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after")
    names = {}
    for case in CASES:
        path = make(before, case)
        names[case] = path.name
        (after / path.name).write_bytes(path.read_bytes())
        write(after / path.name)
    return Library(before=before, after=after, names=names)


Shows = Callable[[str, str], tuple[Shown, Shown]]


@pytest.fixture(scope="module")
def shows(library: Library, need: Callable[[str], str], need_module: Callable[[str], ModuleType]) -> Shows:
    """`shows(reader, case)`: before and after."""
    read: dict[str, tuple[Mapping[str, Shown], Mapping[str, Shown]]] = {}

    def of(name: str, case: str) -> tuple[Shown, Shown]:
        reader = READERS[name]
        program: Any = need_module(reader.need) if reader.module else need(reader.need)
        if name not in read:
            read[name] = (reader.read(program, library.before), reader.read(program, library.after))
        before, after = read[name]
        return before[library.names[case]], after[library.names[case]]

    return of


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reader", ["TagLib", "ffprobe", "MPD"])
def test_a_reader_shows_what_it_showed(shows: Shows, reader: str, case: str) -> None:
    before, after = shows(reader, case)
    showed = {name: _text(before[name]) for name in SAID if name in before}
    assert {name: _text(after.get(name, "")) for name in showed} == showed


def _text(shown: str) -> str:
    """FFmpeg takes an ID3v1 tag for UTF-8, and has one letter of it wrong."""
    return shown.replace("\ufffd", "ö")


@pytest.mark.parametrize("case", [case for case in CASES if case != "tta, APE"])
def test_taglib_shows_all_of_it_beside_ours(shows: Shows, case: str) -> None:
    _, after = shows("TagLib", case)
    assert {name: after[name] for name in SAID} == SAID
    assert (after["genre"], after["mood"]) == ("Jazz", "Happy")


@pytest.mark.parametrize("case", CASES)
def test_undone_it_is_the_old_file_to_the_byte(case: str, tmp_path: Path) -> None:
    path = make(tmp_path, case)
    old = path.read_bytes()
    prepared = write(path)
    assert path.read_bytes() != old
    done = JournalRow(id=1, kind=JournalKind.WRITE, state=JournalState.RENAMED, at=NOW, prepared=prepared)
    undo, left = prepare_undo(bytes(path), [done], POLICY)
    assert isinstance(undo, Prepared)
    assert left == {}
    commit(undo)
    assert path.read_bytes() == old


@pytest.mark.parametrize("case", CASES)
def test_the_older_tag_stays_and_a_second_write_takes_nothing_over(case: str, tmp_path: Path) -> None:
    path = make(tmp_path, case)
    old = path.read_bytes()
    write(path)
    assert carried(path) == {}
    if case.endswith("v1"):
        assert path.read_bytes().endswith(old[-128:])
    edit = propose(inspected(path), analysis("blues", "sad"), OVERWRITE, History(), NOW)
    assert isinstance(edit, Edit)
    assert isinstance(prepare(edit), Prepared)


# --- what exactly is taken over -------------------------------------------------------------------------------------


def test_an_id3v1_tag_in_frames(tmp_path: Path) -> None:
    """Cut off at 30 letters as it was; its genre, which is no value of the user's, is not among them."""
    path = write_audio(tmp_path, "mp3", 0.5)
    v1(path, title="A title that has thirty letters and then some")
    write(path, replace(POLICY, custom=False))
    tag = mutagen.id3.ID3(path, load_v1=False)
    assert {frame.FrameID: [str(text) for text in frame.text] for frame in tag.values()} == {
        "TCON": ["Jazz"], "TMOO": ["Happy"], "TIT2": ["A title that has thirty letter"], "TPE1": ["Somebody"],
        "TALB": ["Rare things"], "TDRC": ["1987"], "TRCK": ["7"], "COMM": ["kept"],
    }  # fmt: skip
    assert tag.getall("COMM")[0].desc == ""


def test_an_id3v1_tag_in_utf_8(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    v1(path, title="räksmörgås".encode().decode("latin-1"), artist="Björk")
    assert (carried(path)["title"], carried(path)["artist"]) == (("räksmörgås",), ("Björk",))
    write(path)


def test_an_ape_tag_with_the_names_of_vorbis_comments(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    tag = mutagen.apev2.APEv2()
    tag.update({"Title": "x", "DATE": "2008", "Tracknumber": "01/16", "ALBUMARTIST": "Various", "DiscNumber": "2"})
    tag.save(path)
    assert carried(path) == {
        "title": ("x",), "date": ("2008",), "track": ("01/16",), "albumartist": ("Various",), "disc": ("2",),
    }  # fmt: skip
    write(path)


def test_an_id3v1_genre_is_not_taken_over(tmp_path: Path) -> None:
    path = make(tmp_path, "mp3, v1")
    write(path, sure=0.3)
    tag = mutagen.id3.ID3(path, load_v1=False)
    assert (tag.getall("TCON"), str(tag["TIT2"]), str(tag["TXXX:TAGGER_GENRE"])) == ([], SAID["title"], "jazz")
    assert inspected(path).tags.genre == ()


def test_a_genre_of_the_users_is_taken_over_where_it_stays(tmp_path: Path) -> None:
    mp3 = write_audio(tmp_path, "mp3", 0.5)
    ape(mp3, Genre="Polka", Mood="Sour")
    wav = write_audio(tmp_path, "wav", 0.5)
    info(wav, (b"IGNR", b"Polka\0"))
    for path in (mp3, wav):
        write(path)
        assert inspected(path).tags.genre == ("Polka",)
    tag = mutagen.id3.ID3(mp3, load_v1=False)
    assert (tag["TCON"].genres, tag["TMOO"].text, str(tag["TXXX:TAGGER_GENRE"])) == (["Polka"], ["Sour"], "jazz")
    assert mutagen.wave.WAVE(wav).tags["TCON"].genres == ["Polka"]


def test_a_genre_that_is_overwritten_is_not(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "wav", 0.5)
    info(path, (b"IGNR", b"Polka\0"))
    write(path, OVERWRITE)
    assert (mutagen.wave.WAVE(path).tags["TCON"].genres, b"Polka" in path.read_bytes()) == (["Jazz"], False)


def test_a_wavs_genre_that_stays_keeps_its_bytes(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "wav", 0.5)
    info(path, (b"IGNR", b"Chanson fran\xe7aise\0\0\0"))
    old = path.read_bytes()
    write(path)
    assert path.read_bytes()[8:].startswith(old[8:])
    assert mutagen.wave.WAVE(path).tags["TCON"].genres == ["Chanson française"]


def test_an_empty_tag_keeps_its_version(tmp_path: Path) -> None:
    path = make(tmp_path, "mp3, empty v2.3 and v1")
    write(path)
    assert path.read_bytes().startswith(b"ID3\3")
    tag = mutagen.id3.ID3(path, load_v1=False, translate=False)
    assert (str(tag["TYER"]), str(tag["TIT2"]), str(tag["TRCK"])) == ("1987", SAID["title"], "7")


def test_version_22_has_names_of_its_own(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    ape(path)
    path.write_bytes(id3_bytes.tag(2, 0x80, bytes(100)) + path.read_bytes())
    write(path)
    assert path.read_bytes().startswith(b"ID3\2")
    tag = mutagen.id3.ID3(path, load_v1=False)
    assert (str(tag["TIT2"]), str(tag["TPE2"]), str(tag["TDRC"])) == (SAID["title"], "Various", "1987")


@pytest.mark.parametrize(
    ("said", "date"),
    [("1987", "1987"), ("1987-05", "1987-05"), ("May 1987", "1987"), ("1987-05-01T10:00", "1987-05-01"), ("'87", None)],
)
def test_only_a_date_that_a_tag_can_hold(said: str, date: str | None, tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    ape(path, Year=said)
    assert carried(path).get("date") == (date and (date,))
    write(path)


def test_several_values_and_loudness(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    ape(path, Artist="One\0Two", Comment="three\0four", Disc="1/2", Composer="Ж", replaygain_track_gain="-3.20 dB")
    write(path)
    tag = mutagen.id3.ID3(path, load_v1=False)
    assert tag["TPE1"].text == ["One", "Two"]
    assert tag.getall("COMM")[0].text == ["three; four"]
    assert (str(tag["TPOS"]), str(tag["TCOM"]), str(tag["TXXX:REPLAYGAIN_TRACK_GAIN"])) == ("1/2", "Ж", "-3.20 dB")


def test_an_info_that_is_no_utf_8(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "wav", 0.5)
    info(path, (b"IMUS", b"B\xf6rk\0"))
    assert carried(path)["composer"] == ("Börk",)


def test_a_tag_that_says_anything_takes_nothing_over(tmp_path: Path) -> None:
    """Readers showed nothing else before."""
    path = write_audio(tmp_path, "mp3", 0.5)
    path.write_bytes(ape_files.id3v2((b"TSSE", b"Encoder")) + path.read_bytes())
    v1(path)
    assert carried(path) == {}


# --- safety ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["mp3, v1", "wav, INFO", "musepack 7, v1", "flac, v1"])
@pytest.mark.parametrize(
    "wrong", [{}, {"title": ("Another",)}, {"composer": ("Nobody",)}], ids=["nothing", "another value", "one more"]
)
def test_the_check_of_the_copy_allows_just_these(case: str, wrong: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    path = make(tmp_path, case)
    old, edit = path.read_bytes(), edit_of(path)
    answer = prepare(replace(edit, carried={**edit.carried, **wrong} if wrong else {}))
    assert isinstance(answer, Refused)
    assert answer.reason == Reason.NOT_VERIFIED
    assert path.read_bytes() == old


def test_what_cannot_be_read_for_certain_is_refused(tmp_path: Path) -> None:
    mp3 = write_audio(tmp_path, "mp3", 0.5)
    audio = mp3.read_bytes()
    mp3.write_bytes(audio + ape_files.tag(ape_files.item(b"Title", b"B\xf6rk")))
    assert refused(mp3) == Reason.APE_ITEM
    mp3.write_bytes(audio + ape_files.tag(ape_files.item(b"Title", b"x"), count=2))
    assert refused(mp3) == Reason.APE_DAMAGED
    flac = write_audio(tmp_path, "flac", 0.5)
    no_comment(flac)
    flac.write_bytes(id3_bytes.tag(5, 0, bytes(20)) + flac.read_bytes())
    assert refused(flac) == Reason.ID3_DAMAGED


def test_taking_a_field_out_takes_nothing_over(tmp_path: Path) -> None:
    path = make(tmp_path, "mp3, v1")
    edit = replace(edit_of(path), fields=(FieldEdit(name="genre", old=(), new=()),))
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared)
    assert prepared.hash_after == prepared.hash_before


def test_it_is_said_beforehand(tmp_path: Path) -> None:
    edit = edit_of(make(tmp_path, "mp3, v1"))
    said = "taken over into the new one: title, artist, album, date, track, comment"
    assert edit.notes["older tag"] == said
    assert f"  older tag: {said}" in describe(edit)
    wav = make(tmp_path, "wav, INFO")
    wav.write_bytes(wav.read_bytes().replace(b"IPRT", b"IGNR"))
    assert edit_of(wav).notes["older tag"].endswith("comment, genre")
    assert edit_of(wav, OVERWRITE).notes["older tag"].endswith("comment")
    plain = edit_of(write_audio(tmp_path, "mp3", 0.5))
    assert "older tag" not in plain.notes
    assert not any("older tag" in line for line in describe(plain))


# --- an APE tag beside ID3v2 ----------------------------------------------------------------------------------------


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    path = write_audio(tmp_path, "mp3", 0.5)
    path.write_bytes(ape_files.id3v2((b"TIT2", b"Title")) + path.read_bytes())
    tag = mutagen.apev2.APEv2()
    tag.update({"Title": "Title", "GENRE": "Polka"})
    tag.save(path)
    return path


def test_a_genre_that_mpd_would_go_on_showing_is_not_overwritten(beside: Path, need: Callable[[str], str]) -> None:
    assert refused(beside, OVERWRITE) == Reason.APE_BESIDE
    found = inspect(bytes(beside))
    assert found.refusal is None
    assert READERS["MPD"].read(need("mpd"), beside.parent)[beside.name]["genre"] == "Polka"


def test_a_genre_that_stays_is_in_nobodys_way(beside: Path) -> None:
    write(beside)
    tags = inspected(beside).tags
    assert (tags.genre, tags.mood) == (("Polka",), ("Happy",))


def test_an_ape_genre_that_says_the_same(beside: Path) -> None:
    tag = mutagen.apev2.APEv2(beside)
    tag["GENRE"] = "Jazz"
    tag.save(beside)
    prepared = prepare(replace(edit_of(beside), fields=(FieldEdit(name="genre", old=("Jazz",), new=("Jazz",)),)))
    assert isinstance(prepared, Prepared)
