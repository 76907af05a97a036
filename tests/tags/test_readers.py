"""What other programs show of the files that we write: none of them is built on mutagen.

TABLE is the one of docs/tags.md. A cell says how much is shown of two genres, two moods, the two in the grouping and a
TAGGER_* field with two values: `all` of them in our order, the `first` or the `last` alone, `joined` to one text or
`glued` to one word, or nothing (`-`). One word says it of all four.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tagger.records import Analysis, Edit, FieldRule, History, Inspection, Policy, Prepared
from tagger.tags.edit import propose
from tagger.tags.inspect import inspect
from tagger.tags.write import commit, prepare
from tagger.vocabulary import EMOTION_WORDS, GENRES, MOODS
from tests.readers import READERS, Shown, mpd, version
from tests.tags.formats.test_format_contract import SUFFIX, Plain

TABLE = """\
| file | FFmpeg 5 | FFmpeg 8 | TagLib | ExifTool | ExifTool `-a` | MediaInfo | kid3 | MPD 0.23 | MPD 0.24 |
|---|---|---|---|---|---|---|---|---|---|
| MP3 v2.4 | first | first | all | all all all - | all all all first | first | all all all first | all - all - | all all all - |
| MP3 v2.3 | joined | joined | joined | joined - joined - | joined | joined | joined | joined - joined - | joined - joined - |
| v2.3, `TMOO` | joined | joined | joined | joined joined joined - | joined | joined | joined | joined - joined - | joined joined joined - |
| MP3 v2.2 | joined | joined | joined | joined - joined - | joined | joined - joined - | joined | joined - joined - | joined - joined - |
| FLAC | all | all | all | last | all | all | all | all - all - | all all all - |
| Ogg Vorbis | all | all | all | last | all | all | all | all - all - | all all all - |
| Opus | all | all | all | last | all | all | all | all - all - | all all all - |
| Speex | all | all | all | - | - | - | all | joined - joined - | - |
| M4A | first | first | all | last all last all | all | all | all | first - first - | first first first - |
| WAV | first | first | all | all all all - | all all all first | first | all all all first | all - all - | first - first - |
| WAV, INFO | - | first | all | all all all - | all all all first | first | all all all first | - | first - first - |
| WAV, `IGNR` | first - - - | first | all | all all all - | twice all all first | first | all all all first | first - - - | first - first - |
| AIFF | first | first | all | all all all - | all all all first | first | all all all first | all - all - | first - first - |
| Ogg FLAC | all | all | all | last | all | - | all | all - all - | all all all - |
| TTA | - | - | all | all all all - | all all all first | - | all all all first | all - all - | all all all - |
| DSF | first | first | all | - | - | first | all all all first | all - all - | all all all - |
| WavPack | first | first | all | - | - | first | first | all - all - | all all all - |
| Musepack 8 | first | first | all | - | - | first | first | all - all - | all all all - |
| Musepack 7 | first | first | all | glued | glued | first | first | all - all - | all all all - |
| Monkey's Audio | first | first | all | glued | glued | first | first | first - first - | first first first - |
| WMA | last last last joined | last last last joined | all all all - | last last last - | all all all - | last all all joined | all all all joined | last - - - | last - - - |
"""  # noqa: E501
FIELDS = ("genre", "mood", "grouping", "tagger_genre")

Dress = Callable[[Path], None]


def _v23(path: Path) -> None:
    """An ID3v2.3 tag of one frame in front."""
    frame = b"TIT2" + (6).to_bytes(4, "big") + b"\0\0" + b"\0Title"
    path.write_bytes(b"ID3\3\0\0" + len(frame).to_bytes(4, "big") + frame + path.read_bytes())


def _v22(path: Path) -> None:
    frame = b"TT2" + (6).to_bytes(3, "big") + b"\0Title"
    path.write_bytes(b"ID3\2\0\0" + len(frame).to_bytes(4, "big") + frame + path.read_bytes())


def _info(*entries: tuple[bytes, bytes]) -> Dress:
    """A LIST INFO behind the audio, as programs that know no ID3 in WAV leave it."""

    def dressed(path: Path) -> None:
        body = b"INFO" + b"".join(name + len(text).to_bytes(4, "little") + text for name, text in entries)
        content = path.read_bytes() + b"LIST" + len(body).to_bytes(4, "little") + body
        path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])

    return dressed


TWO = {"jazz": "Jazz", "blues": "Blues", "happy": "Happy", "calm": "Calm"}
ONE = {"jazz": "ジャズ", "happy": "Fröhlich"}
"""How labels are spelt where two are written, and where one is: in other scripts."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A file of a kind of the contract suite, dressed before it is written, and what of the policy is not the default.

    `real`: for a kind whose file is built from bytes, one of an encoder, below shared/data/odd-files. `joint`: what
    stands between values that are joined.
    """

    kind: str
    real: str = ""
    joint: str = "; "
    dress: Dress = lambda path: None
    policy: Policy = field(default_factory=Policy)
    one: Mapping[str, str] = field(default_factory=lambda: ONE)


ROWS = {
    "MP3 v2.4": Row(kind="mp3"),
    "MP3 v2.3": Row(kind="mp3", dress=_v23),
    "v2.3, `TMOO`": Row(kind="mp3", dress=_v23, policy=Policy(v23_mood="TMOO")),
    "MP3 v2.2": Row(kind="mp3", dress=_v22),
    "FLAC": Row(kind="flac"),
    "Ogg Vorbis": Row(kind="ogg-vorbis"),
    "Opus": Row(kind="ogg-opus"),
    "Speex": Row(kind="ogg-speex", joint=";"),
    # ExifTool takes UTF-8 in a `----` atom for binary data, unless it is plain ASCII
    "M4A": Row(kind="m4a", one=ONE | {"happy": "Alegre"}),
    "WAV": Row(kind="wav"),
    "WAV, INFO": Row(kind="wav", dress=_info((b"INAM", b"Song"))),
    "WAV, `IGNR`": Row(  # the genre of a LIST INFO, whose encoding nobody declares: plain ASCII
        kind="wav",
        dress=_info((b"IGNR", b"Polka\0")),
        policy=Policy(genre=FieldRule.OVERWRITE),
        one=ONE | {"jazz": "Free Jazz"},
    ),
    "AIFF": Row(kind="aiff"),
    "Ogg FLAC": Row(kind="ogg-flac"),
    "TTA": Row(kind="tta"),
    "DSF": Row(kind="dsf"),
    "WavPack": Row(kind="wavpack"),
    "Musepack 8": Row(kind="musepack 8"),
    "Musepack 7": Row(kind="musepack 7", real="mutagen/click.mpc"),
    "Monkey's Audio": Row(kind="monkeys", real="mutagen/mac-399.ape"),
    "WMA": Row(kind="wma"),
}


def _analysis() -> Analysis:
    """Jazz before blues, happy before calm."""

    def spread(labels: tuple[str, ...], first: str, second: str) -> dict[str, float]:
        return dict.fromkeys(labels, 0.0) | {first: 0.6, second: 0.4}

    return Analysis(
        bundle_id="b-1",
        genre="jazz",
        genre_confidence=0.6,
        mood="happy",
        mood_confidence=0.6,
        emotion="excited",
        valence=0.71,
        arousal=0.62,
        dominance=0.5,
        probabilities={"genre": spread(GENRES, "jazz", "blues"), "mood": spread(MOODS, "happy", "calm")},
        embedding=b"",
        chunks=6,
    )


def _write(path: Path, policy: Policy) -> None:
    found = inspect(bytes(path))
    assert isinstance(found, Inspection), found
    edit = propose(found, _analysis(), policy, History(), "2026-01-02T03:04:05Z")
    assert isinstance(edit, Edit), edit
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared), prepared
    commit(prepared)


def _name(row: str, which: int | str) -> str:
    return re.sub(r"\W+", "-", row) + f" {which}"


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str], root: Path) -> Path:
    """Every row's file twice: with one value in a field, in another script, and with two; that of an encoder, too."""
    folder = tmp_path_factory.mktemp("music")
    plain = Plain(tmp_path_factory.mktemp("plain"), need, 1.5)  # a shorter WavPack is none to MediaInfo
    for name, row in ROWS.items():
        made = {1: plain[row.kind], 2: plain[row.kind]}
        real = root.parent / "shared" / "data" / "odd-files" / row.real
        for which, content in (made | ({"real": real.read_bytes()} if real.is_file() else {})).items():
            path = folder / f"{_name(name, which)}.{SUFFIX.get(row.kind, row.kind)}"
            path.write_bytes(content)
            row.dress(path)
            _write(path, replace(row.policy, **_values(row, 1 if which == 1 else 2)))
    return folder


def _values(row: Row, count: int) -> dict[str, Any]:
    """A policy that calls for `count` values in each field."""
    gates = {"genre_gate": 0.3, "mood_gate": 0.3, "grouping": FieldRule.FILL}
    return gates | {"genres": count, "moods": count, "label_map": row.one if count == 1 else TWO}


Shows = Callable[[str, str, int | str], Shown]
Column = Callable[[str], str]


@pytest.fixture(scope="module")
def shows(music: Path, need: Callable[[str], str], need_module: Callable[[str], ModuleType]) -> Shows:
    """`shows(reader, row, which)`: what a reader shows of one of the files. It reads all of them once."""
    read: dict[str, Mapping[str, Shown]] = {}

    def of(name: str, row: str, which: int | str) -> Shown:
        reader = READERS[name]
        program: Any = need_module(reader.need) if reader.module else need(reader.need)
        if name not in read:
            read[name] = reader.read(program, music)
        return next((shown for file, shown in read[name].items() if Path(file).stem == _name(row, which)), {})

    return of


@pytest.fixture(scope="module")
def column(need: Callable[[str], str]) -> Column:
    """`column(reader)`: the table's column that tells of the version that is here."""

    @cache
    def of(name: str) -> str:
        if name == "ffprobe":
            return "FFmpeg 5" if version(need("ffprobe")) < (6, 0) else "FFmpeg 8"
        if name == "MPD":
            return "MPD 0.23" if version(need("mpd")) < (0, 24) else "MPD 0.24"
        return {"PyAV": "FFmpeg 8", "exiftool": "ExifTool", "exiftool -a": "ExifTool `-a`"}.get(name, name)

    return of


def _cells() -> dict[tuple[str, str], dict[str, str]]:
    """(row, column) -> how much is shown of each of FIELDS."""
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines()]
    cells = {}
    for row in rows:
        for name, cell in zip(header[1:], row[1:], strict=True):
            words = cell.split()
            cells[row[0], name] = dict(zip(FIELDS, words * len(FIELDS) if len(words) == 1 else words, strict=False))
    return cells


CELLS = _cells()
WRITTEN = {
    "genre": ("Jazz", "Blues"),
    "mood": ("Happy", "Calm"),
    "grouping": ("Happy", "Calm"),
    "tagger_genre": ("jazz", "blues"),
}


def _as_shown(how: str, values: tuple[str, ...], joiner: str, joint: str) -> str | None:
    shown = {
        "all": joiner.join(values),
        "twice": joiner.join((values[0], *values)),  # of the INFO, then of the ID3 tag
        "joined": joint.join(values),
        "glued": "".join(values),
        "first": values[0],
        "last": values[-1],
        "-": None,
    }
    return shown[how]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_shows_what_the_table_says(shows: Shows, column: Column, reader: str, row: str) -> None:
    spelt = ROWS[row].one
    one = {name: (spelt[label],) for name, label in (("genre", "jazz"), ("mood", "happy"), ("grouping", "happy"))}
    for which, written in ((1, one | {"tagger_genre": ("jazz",)}), (2, WRITTEN)):
        wanted = _wanted(CELLS[row, column(reader)], reader, row, written)
        assert {name: shows(reader, row, which).get(name) for name in wanted} == wanted


def _wanted(
    cell: Mapping[str, str], reader: str, row: str, written: Mapping[str, tuple[str, ...]]
) -> dict[str, str | None]:
    joints = READERS[reader].joiner, ROWS[row].joint
    wanted = {name: _as_shown(cell[name], written[name], *joints) for name in FIELDS}
    return wanted | {"tagger_valence": None if cell["tagger_genre"] == "-" else "0.71"}


@pytest.mark.parametrize("row", [name for name, row in ROWS.items() if row.real])
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_shows_the_same_of_an_encoders_file(
    shows: Shows, column: Column, shared_data: Path, reader: str, row: str
) -> None:
    wanted = _wanted(CELLS[row, column(reader)], reader, row, WRITTEN)
    assert {name: shows(reader, row, "real").get(name) for name in wanted} == wanted


def test_the_table_tells_of_every_file_and_stands_in_the_page(root: Path) -> None:
    assert list(dict.fromkeys(row for row, _ in CELLS)) == list(ROWS)
    assert TABLE in (root / "docs" / "tags.md").read_text(encoding="utf-8")


def test_taglib_calls_the_grouping_of_id3_work(music: Path, need_module: Callable[[str], ModuleType]) -> None:
    taglib = need_module("taglib")
    works = set()
    for path in music.glob("* 2.*"):
        with taglib.File(str(path)) as file:
            assert file.tags.keys() & {"WORK", "GROUPING"}
            works |= {path.suffix} if "WORK" in file.tags else set()
    assert works == {".mp3", ".wav", ".aiff", ".tta", ".dsf", ".wma"}


def test_mpd_finds_by_genre_and_by_mood(music: Path, need: Callable[[str], str], column: Column) -> None:
    program = need("mpd")
    column_of_mpd = column("MPD")

    def wanted(name: str, *hows: str) -> set[str]:
        return {_name(row, 2) for row in ROWS if CELLS[row, column_of_mpd][name] in hows}

    with mpd(program, music) as server:

        def found(tag: str, value: str) -> set[str]:
            files = {Path(name).stem for key, name in server.ask(f'find {tag} "{value}"') if key == "file"}
            return {name for name in files if name.endswith(" 2")}

        assert found("genre", "Jazz") == wanted("genre", "all", "first")
        assert found("genre", "Blues") == wanted("genre", "all", "last")
        assert found("grouping", "Happy") == wanted("grouping", "all", "first")
        assert server.knows("Mood") == (column_of_mpd != "MPD 0.23")
        if server.knows("Mood"):
            assert found("mood", "Happy") == wanted("mood", "all", "first")


# --- players' rules -------------------------------------------------------------------------------------------------

SPLITTING = re.compile(r"\s*[;/,]\s*")
"""Where Navidrome splits genres and moods."""


def _standard_spellings(root: Path) -> dict[str, str]:
    return dict(tomllib.loads((root / "config.toml").read_text(encoding="utf-8"))["tags"]["label_map"])


def test_every_label_is_spelt_for_people(root: Path) -> None:
    assert set(_standard_spellings(root)) == {*GENRES, *MOODS}


def test_no_label_looks_like_a_number_or_a_list(root: Path) -> None:
    """FFmpeg and TagLib read a leading digit or bracket as an ID3v1 number; others split at ; / and ,"""
    for text in (*GENRES, *MOODS, *EMOTION_WORDS, *_standard_spellings(root).values()):
        assert text[0].isalpha(), text
        assert SPLITTING.split(text) == [text]


@pytest.mark.parametrize("row", ROWS)
def test_the_surest_comes_first_after_every_splitting(shows: Shows, row: str) -> None:
    """Kodi takes the first mood alone, Navidrome splits; both read with TagLib."""
    shown = shows("TagLib", row, 2)
    for name in ("genre", "mood", "grouping"):
        values = tuple(part for value in shown[name].split("|") for part in SPLITTING.split(value))
        assert values == WRITTEN[name]
