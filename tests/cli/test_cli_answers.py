"""What `query`, `explain` and `status` answer, from a real catalog: the contract that programs rely on."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.catalog import engine, store
from tagger.records import Analysis, Failure, FileStat, Inspection, Stage, TagValues
from tagger.vocabulary import GENRES, MOODS

Run = Callable[..., subprocess.CompletedProcess[bytes]]

BUNDLE = "test-1-0123456789ab"
MUSIC = b"/music"


def inspection(path: bytes, number: int, **tags: object) -> Inspection:
    stat = FileStat(device=1, inode=number, size_bytes=10, mtime_ns=1, ctime_ns=1, nlink=1, uid=0, gid=0, mode=0o100644)
    return Inspection(
        path=path,
        stat=stat,
        identity=f"1:sha256:{number:04d}",
        container="mp3",
        codec="mp3",
        length_seconds=200.5,
        channels=2,
        tags=TagValues(**tags),  # type: ignore[arg-type]
    )


def analysis(genre: str, confidence: float, mood: str, mood_confidence: float, emotion: str = "neutral") -> Analysis:
    return Analysis(
        bundle_id=BUNDLE,
        genre=genre,
        genre_confidence=confidence,
        mood=mood,
        mood_confidence=mood_confidence,
        emotion=emotion,
        valence=0.123456789012,
        arousal=0.5,
        dominance=0.5,
        probabilities={"genre": dict.fromkeys(GENRES, 0.1), "mood": dict.fromkeys(MOODS, 0.25)},
        embedding=b"\0\0",
        chunks=6,
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five tracks: a plain one, one with the user's genre, one with odd bytes, one with a newline, one not heard."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.sqlite"
    tracks = [
        (inspection(b"/music/a.mp3", 1, artist="Ann", title="One"), analysis("jazz", 0.9, "happy", 0.8, "cheerful")),
        (inspection(b"/music/b.mp3", 2, genre=("Bebop",), year=1999), analysis("rock", 0.7, "happy", 0.4)),
        (inspection(b"/music/\xff.mp3", 3), analysis("jazz", 0.3, "sad", 0.9)),
        (inspection(b"/music/two\nlines.mp3", 4, title="\x1b[2J"), analysis("rock", 0.6, "calm", 0.9)),
        (inspection(b"/music/unheard.mp3", 5), None),
    ]
    writer = engine.open_writer(path)
    with writer.begin() as connection:
        store.put_root(connection, MUSIC, 1)
        for found, heard in tracks:
            track = store.put_inspection(connection, found, MUSIC, 1000.0)
            if heard:
                store.put_analysis(connection, found.identity, heard, 200.5, 1000.0)
            else:
                store.put_failure(connection, track, Failure(stage=Stage.DECODE, reason="damaged"), 1000.0)
    writer.close()
    return path


@pytest.fixture
def run(catalog: Path, tmp_path: Path) -> Run:
    def call(*words: str) -> subprocess.CompletedProcess[bytes]:
        environ = {**os.environ, "HOME": str(tmp_path), "TAGGER_CATALOG": str(catalog)}
        return subprocess.run(
            [sys.executable, "-m", "tagger.cli", *words], env=environ, capture_output=True, check=False
        )

    return call


def answer(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr.decode()
    parsed = json.loads(done.stdout)
    assert isinstance(parsed, list)
    return parsed


def names(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return [str(track["path"]).removeprefix("/music/") for track in answer(done)]


def test_without_filters_every_track_is_listed_unheard_ones_too(run: Run) -> None:
    assert set(names(run("query", "--json"))) == {"a.mp3", "b.mp3", "\udcff.mp3", "two\nlines.mp3", "unheard.mp3"}


def test_json_has_the_documented_keys_and_no_others(run: Run, root: Path) -> None:
    page = (root / "docs" / "queries.md").read_text(encoding="utf-8")
    section = page.split("## JSON")[1].split("`tagger explain")[0]
    documented = {
        key for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)`", cell)
    }
    for track in answer(run("query", "--format", "json")):
        assert set(track) == documented


def test_json_numbers_are_unrounded_and_paths_keep_their_bytes(run: Run) -> None:
    done = run("query", "--mood", "sad", "--json")
    (track,) = answer(done)
    assert track["valence"] == 0.123456789012
    assert os.fsencode(str(track["path"])) == b"/music/\xff.mp3"
    assert b"\\udcff" in done.stdout


def test_users_genre_comes_before_the_prediction(run: Run) -> None:
    by_name = {str(track["path"]): track for track in answer(run("query", "--json"))}
    users, models = by_name["/music/b.mp3"], by_name["/music/a.mp3"]
    assert (users["genre"], users["genre_source"], users["genre_predicted"]) == (["Bebop"], "file", "rock")
    assert (models["genre"], models["genre_source"], models["genre_predicted"]) == (["jazz"], "model", "jazz")
    assert users["year"] == 1999
    assert by_name["/music/unheard.mp3"]["mood"] is None


def test_genre_matches_own_values_through_parents_else_the_prediction(run: Run) -> None:
    assert set(names(run("query", "--genre", "Jazz", "--json"))) == {"a.mp3", "b.mp3", "\udcff.mp3"}
    assert names(run("query", "--genre", "bebop", "--json")) == ["b.mp3"]
    assert set(names(run("query", "--genre", "rock", "--json"))) == {"two\nlines.mp3"}


def test_min_confidence_applies_to_each_predicted_field_asked_for(run: Run) -> None:
    assert set(names(run("query", "--mood", "happy", "--min-confidence", "0.5", "--json"))) == {"a.mp3"}
    assert set(names(run("query", "--genre", "jazz", "--min-confidence", "0.5", "--json"))) == {"a.mp3", "b.mp3"}
    assert names(run("query", "--genre", "jazz", "--mood", "happy", "--min-confidence", "0.5", "--json")) == ["a.mp3"]


def test_emotion_and_limit(run: Run) -> None:
    assert names(run("query", "--emotion", "cheerful", "--json")) == ["a.mp3"]
    assert len(answer(run("query", "--limit", "2", "--json"))) == 2


def test_paths_with_nul_have_all_and_on_lines_what_fits(run: Run) -> None:
    whole = run("query", "--format", "paths", "-0").stdout
    assert sorted(whole.rstrip(b"\0").split(b"\0")) == sorted(
        [b"/music/a.mp3", b"/music/b.mp3", b"/music/\xff.mp3", b"/music/two\nlines.mp3", b"/music/unheard.mp3"]
    )
    lines = run("query", "--format", "paths")
    assert b"two" not in lines.stdout
    assert b"1 left out" in lines.stderr
    assert lines.returncode == 0


def test_playlist_leaves_out_what_cannot_be_a_line_of_it(run: Run) -> None:
    done = run("query", "--format", "m3u8")
    assert done.stdout.decode("utf-8").splitlines()[0] == "#EXTM3U"
    assert "/music/a.mp3" in done.stdout.decode("utf-8").splitlines()
    assert b"2 left out" in done.stderr


def test_csv_has_the_columns_of_the_json(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("query", "--format", "csv").stdout.decode("utf-8"))))
    assert len(rows) == 5
    assert set(rows[0]) == set(answer(run("query", "--json", "--limit", "1"))[0])


def test_table_is_harmless_and_whole(run: Run) -> None:
    shown = run("query").stdout.decode("utf-8")
    assert "\x1b" not in shown
    assert "two\\nlines.mp3" in shown
    assert len(shown.splitlines()) == 6


def test_explain_adds_probabilities_failures_decision_and_journal(run: Run) -> None:
    done = run("explain", "--json", "/music/a.mp3")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["genre"] == ["jazz"]
    assert set(told["probabilities"]["genre"]) == set(GENRES)
    assert told["failures"] == []
    assert (told["decision"], told["journal"]) == (None, [])
    failed = json.loads(run("explain", "--json", "/music/unheard.mp3").stdout)
    assert failed["failures"] == [{"stage": "decode", "reason": "damaged", "detail": ""}]


def test_explain_answers_for_a_file_that_is_passed_over(run: Run) -> None:
    told = json.loads(run("explain", "--json", "/music/cover.jpg").stdout)
    assert told["decision"]["outcome"] == "passed over"
    assert told["decision"]["reason"]
    elsewhere = run("explain", "/elsewhere/a.mp3")
    assert elsewhere.returncode == 2
    assert b"under none of the roots" in elsewhere.stderr


def test_explain_for_people(run: Run) -> None:
    shown = run("explain", "/music/two\nlines.mp3").stdout.decode("utf-8")
    assert "\\x1b[2J" in shown
    assert "rock" in shown


def test_status_counts(run: Run) -> None:
    told = json.loads(run("status", "--json").stdout)
    assert (told["tracks"], told["heard"], told["missing"], told["daemon"]) == (5, 4, 0, None)
    assert told["failed"] == {"damaged": 1}
    assert (told["written"], told["undone"]) == (0, 0)
    assert told["journal"] == {"writes": 0, "records": 0, "undo_bytes": 0, "oldest": None}
    assert b"not running" in run("status").stdout
    assert b"0 writes, 0 bytes of undo records" in run("status").stdout
