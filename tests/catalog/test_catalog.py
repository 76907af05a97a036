"""The catalog over real SQLite files: what is due, what is found, what follows a file, what a journal keeps."""

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.dialects import sqlite

from tagger.catalog import engine, journal, schema, status, store, views
from tagger.catalog.engine import HEADS, Writer, journal_path, open_reader, open_writer
from tagger.catalog.views import Filters
from tagger.playlists import filters, formats
from tagger.records import (
    Analysis,
    Decision,
    Failure,
    Field,
    FileStat,
    Inspection,
    JournalKind,
    JournalState,
    Outcome,
    Prepared,
    Stage,
    TaggerError,
    TagValues,
)
from tagger.vocabulary import GENRES, MOODS

ROOT, BUNDLE = b"/music", "b-1"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def writer(catalog: Path) -> Writer:
    return open_writer(catalog)


def stat(inode: int = 1, **changes: int) -> FileStat:
    values = {
        "device": 1,
        "inode": inode,
        "size_bytes": 10,
        "mtime_ns": 20,
        "ctime_ns": 30,
        "nlink": 1,
        "uid": 0,
        "gid": 0,
    }
    return FileStat(**{**values, "mode": 0o100644, **changes})


def inspection(path: bytes, identity: str = "1:sha256:a", inode: int = 1, **tags: object) -> Inspection:
    return Inspection(
        path=path,
        stat=stat(inode),
        identity=identity,
        container="mp3",
        codec="mp3",
        length_seconds=200.0,
        channels=2,
        tags=TagValues(**tags),  # type: ignore[arg-type]
    )


def analysis(genre: str = "jazz", mood: str = "happy", sure: float = 0.8, bundle_id: str = BUNDLE) -> Analysis:
    return Analysis(
        bundle_id=bundle_id,
        genre=genre,
        genre_confidence=sure,
        mood=mood,
        mood_confidence=sure,
        emotion="excited",
        valence=0.7,
        arousal=0.6,
        dominance=0.5,
        probabilities={"genre": dict.fromkeys(GENRES, 0.1), "mood": dict.fromkeys(MOODS, 0.25)},
        embedding=b"\0\1",
        chunks=6,
    )


def prepared(path: bytes, identity: str = "1:sha256:a", **written: tuple[str, ...]) -> Prepared:
    return Prepared(
        path=path,
        temp_name=b".tagger-1.tmp",
        temp_inode=9,
        stat_before=stat(),
        hash_before="h0",
        hash_after="h1",
        identity=identity,
        undo_record=b"record\xff",
        written=written or {"genre": ("Jazz",), "TAGGER_GENRE": ("jazz",), "TAGGER_MOOD": ("happy",)},
        replaced={"genre": ()},
        bundle_id=BUNDLE,
    )


def put(connection: Connection, path: bytes, *, heard: Analysis | None = None, now: float = 1.0, **more: object) -> int:
    found = inspection(path, **more)  # type: ignore[arg-type]
    track_id = store.put_inspection(connection, found, ROOT, now)
    if heard:
        store.put_analysis(connection, found.identity, heard, 201.0, now)
    return track_id


def write(connection: Connection, path: bytes) -> None:
    row = journal.add(connection, prepared(path), JournalKind.WRITE, "t")
    journal.set_state(connection, row, JournalState.RENAMED)


def due(connection: Connection, now: float = 5.0) -> list[bytes]:
    return [one.path for one in views.due_for_listening(connection, BUNDLE, now, 0, 100)]


def undecided(connection: Connection, *, policy: str = "p", version: str = "1") -> list[bytes]:
    return [one.path for one in views.due_for_decision(connection, BUNDLE, policy, version, 5.0, 0, 100)]


def decide(connection: Connection, track_id: int, outcome: Outcome, *, policy: str = "p") -> None:
    decision = Decision(outcome=outcome, reason="why", notes={"genre": "note"})
    store.put_decision(connection, track_id, decision, bundle_id=BUNDLE, policy_digest=policy, program_version="1")


# --- opening --------------------------------------------------------------------------------------------------------


def test_migrations_make_the_tables_of_the_schema(writer: Writer) -> None:
    for metadata in (schema.catalog, schema.journal):
        for table in metadata.tables.values():
            with writer.begin() as connection:
                prefix = f"{table.schema}." if table.schema else ""
                rows = connection.execute(text(f"PRAGMA {prefix}table_info({table.name})"))
                assert {row.name: bool(row.notnull) for row in rows} == {
                    column.name: not column.nullable for column in table.columns
                }


def test_heads_are_the_newest_migrations(root: Path) -> None:
    for name, head in HEADS.items():
        files = sorted((root / "migrations" / name / "versions").glob("*.py"))
        assert files[-1].name.startswith(head)


def test_writing_waits_for_the_disk_where_nothing_could_be_restored(writer: Writer) -> None:
    with writer.begin() as connection:
        assert connection.execute(text("PRAGMA main.synchronous")).scalar() == 1
        assert connection.execute(text("PRAGMA journal.synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA main.journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA journal.journal_mode")).scalar() == "wal"


def test_a_reader_of_nothing_names_the_command(catalog: Path) -> None:
    with pytest.raises(TaggerError, match="tagger scan"):
        open_reader(catalog)
    assert not catalog.exists()


def test_a_newer_schema_is_refused_by_number(writer: Writer, catalog: Path) -> None:
    writer.close()
    for path in (catalog, journal_path(catalog)):
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for open_it in (open_writer, open_reader):
        with pytest.raises(TaggerError, match="9999"):
            open_it(catalog)


def test_a_damaged_file_is_named_with_what_to_do(catalog: Path) -> None:
    catalog.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(TaggerError, match=r"damaged.*scan again"):
        open_writer(catalog)
    assert catalog.read_bytes().startswith(b"this is no")


def test_a_page_that_is_damaged_is_found_and_its_file_named(writer: Writer, catalog: Path) -> None:
    """As the files open: what is wrong turns up at the first query of that table."""
    with writer.begin() as connection:
        journal.add(connection, prepared(b"/music/a.mp3"), JournalKind.WRITE, "2026-01-02T03:04:05Z")
    writer.close()
    path = journal_path(catalog)
    pages = path.read_bytes()
    path.write_bytes(pages[:4096] + b"\xff" * (len(pages) - 4096))
    damaged = pytest.raises(TaggerError, match=r"journal\.sqlite is damaged.*move it away")
    with damaged, open_reader(catalog).connect() as connection:
        journal.rows_for(connection, b"/music/a.mp3", "1:sha256:a")


def test_an_older_file_is_backed_up_before_it_is_migrated(catalog: Path) -> None:
    with sqlite3.connect(catalog) as connection:
        connection.execute("CREATE TABLE old (x)")
    connection.close()
    open_writer(catalog).close()
    with sqlite3.connect(f"{catalog}.before-migration") as backup:
        assert backup.execute("SELECT name FROM sqlite_master").fetchall() == [("old",)]


def test_readers_see_what_is_committed_and_cannot_write(writer: Writer, catalog: Path) -> None:
    with writer.begin() as connection:
        put(connection, b"/music/a.mp3", heard=analysis())
    with open_reader(catalog).connect() as connection:
        assert len(views.find(connection, Filters(), None)) == 1
        with pytest.raises(Exception, match="readonly"):
            connection.execute(text("DELETE FROM tracks"))


def test_an_error_takes_the_whole_transaction_back(writer: Writer) -> None:
    def fails() -> None:
        with writer.begin() as connection:
            put(connection, b"/music/a.mp3")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    with writer.begin() as connection:
        assert list(views.known_files(connection, ROOT)) == []


# --- work is derived ------------------------------------------------------------------------------------------------


def test_a_recording_is_due_until_one_of_its_copies_is_heard(writer: Writer) -> None:
    with writer.begin() as connection:
        put(connection, b"/music/a.mp3", inode=1)
        put(connection, b"/music/b.mp3", inode=2)
        assert due(connection) == [b"/music/a.mp3", b"/music/b.mp3"]
        store.put_analysis(connection, "1:sha256:a", analysis(), 200.0, 2.0)
        assert due(connection) == []
        assert views.due_for_listening(connection, "other-bundle", 5.0, 0, 10) != []


def test_a_failure_waits_longer_each_time_and_ends_with_a_changed_file(writer: Writer) -> None:
    with writer.begin() as connection:
        track = put(connection, b"/music/a.mp3")
        failed = Failure(stage=Stage.DECODE, reason="damaged")
        store.put_failure(connection, track, failed, 0.0)
        assert due(connection, now=3_599.0) == []
        assert due(connection, now=3_601.0) == [b"/music/a.mp3"]
        store.put_failure(connection, track, failed, 4_000.0)
        assert due(connection, now=4_000.0 + 3_601.0) == []
        store.put_failure(connection, track, failed, 0.0, final=True)
        assert due(connection, now=1e12) == []
        put(connection, b"/music/a.mp3", identity="1:sha256:b")
        assert due(connection) == [b"/music/a.mp3"]


@pytest.mark.parametrize("outcome", [Outcome.WRITTEN, Outcome.UNCHANGED, Outcome.REFUSED])
def test_a_decision_stands_until_what_it_rests_on_changes(writer: Writer, outcome: Outcome) -> None:
    path = b"/music/a.mp3"
    with writer.begin() as connection:
        track = put(connection, path, heard=analysis())
        assert undecided(connection) == [path]
        decide(connection, track, outcome)
        assert undecided(connection) == []
        assert undecided(connection, policy="other") == [path]
        assert (undecided(connection, version="2") == [path]) is (outcome is Outcome.REFUSED)
        journal.veto(connection, path, "1:sha256:a", [Field.GENRE], "undone", "now")
        assert undecided(connection) == [path]
        decide(connection, track, outcome)
        put(connection, path, genre=("Polka",))
        assert undecided(connection) == [path]


def test_a_failed_inspection_comes_again_and_keeps_what_was_known(writer: Writer) -> None:
    path = b"/music/a.mp3"
    with writer.begin() as connection:
        track = put(connection, path, heard=analysis())
        failed = Failure(stage=Stage.INSPECT, reason="cannot be read")
        assert store.put_unreadable(connection, path, ROOT, stat(1, ctime_ns=99), failed, 0.0) == track
        assert views.due_for_inspection(connection, 3_599.0) == set()
        assert views.due_for_inspection(connection, 3_601.0) == {track}
        assert [row.genre for row in views.find(connection, Filters(), None)] == ["jazz"]
        put(connection, path)
        assert views.due_for_inspection(connection, 1e12) == set()


def test_what_is_no_music_is_found_only_by_who_asks_for_all_audio(writer: Writer) -> None:
    with writer.begin() as connection:
        put(connection, b"/music/song.mp3", heard=analysis())
        put(connection, b"/music/not yet heard.mp3", identity="1:sha256:b")
        put(connection, b"/music/talk.mp3", identity="1:sha256:c", heard=replace(analysis(), is_music=False))
        silent = put(connection, b"/music/silent.mp3", identity="1:sha256:d")
        store.put_failure(connection, silent, Failure(stage=Stage.DECODE, reason="silent"), 0.0, final=True)
        for asked, answer in {
            Filters(): [b"not yet heard", b"song"],
            Filters(mood="happy"): [b"song"],
            Filters(all_audio=True): [b"not yet heard", b"silent", b"song", b"talk"],
            Filters(mood="happy", all_audio=True): [b"song", b"talk"],
        }.items():
            assert [row.path[7:-4] for row in views.find(connection, asked, None)] == answer


def test_what_earlier_bundles_heard_counts_as_music(catalog: Path) -> None:
    open_writer(catalog).close()
    with sqlite3.connect(catalog) as old:
        old.execute("ALTER TABLE analyses DROP COLUMN is_music")
        old.execute("DROP INDEX ix_failures_reason")
        old.execute("UPDATE alembic_version SET version_num = '0001'")
        old.execute("INSERT INTO recordings VALUES ('r', 'mp3', 9.0, 2)")
        heard = "('r', 'b', 'jazz', .8, 'calm', .8, 'serene', .5, .5, .5, '{}', x'00', 6, 0.0)"
        old.execute(f"INSERT INTO analyses VALUES {heard}")
    old.close()
    writer = open_writer(catalog)
    with writer.begin() as connection:
        old_analysis = views.analysis_of(connection, "r", "b")
    writer.close()
    assert old_analysis is not None
    assert old_analysis.is_music


def test_a_dry_run_never_counts_as_decided(writer: Writer) -> None:
    with writer.begin() as connection:
        decide(connection, put(connection, b"/music/a.mp3", heard=analysis()), Outcome.DRY_RUN)
        assert undecided(connection) == [b"/music/a.mp3"]


def test_missing_tracks_are_not_due_and_pruned_later(writer: Writer) -> None:
    with writer.begin() as connection:
        track = put(connection, b"/music/a.mp3", heard=analysis())
        write(connection, b"/music/a.mp3")
        store.mark_missing(connection, [track], 10.0)
        assert (due(connection), undecided(connection)) == ([], [])
        assert views.find(connection, Filters(), None) == []
        assert store.prune_missing(connection, 10.0) == 0
        assert store.prune_missing(connection, 11.0) == 1
        assert len(journal.rows_for(connection, b"/music/a.mp3", "1:sha256:a")) == 1


# --- moving ---------------------------------------------------------------------------------------------------------


def test_a_grouping_that_we_wrote_is_ours(writer: Writer) -> None:
    with writer.begin() as connection:
        put(connection, b"/music/a.mp3", heard=analysis())
        row = journal.add(connection, prepared(b"/music/a.mp3", grouping=("Happy",)), JournalKind.WRITE, "t")
        journal.set_state(connection, row, JournalState.RENAMED)
        journal.veto(connection, b"/music/a.mp3", "1:sha256:a", [Field.GROUPING], "undone", "now")
        history = journal.history(connection, b"/music/a.mp3", "1:sha256:a")
        assert (history.written, history.vetoes) == ({Field.GROUPING: ("Happy",)}, {Field.GROUPING})


def test_a_moved_file_keeps_analysis_journal_and_vetoes(writer: Writer) -> None:
    with writer.begin() as connection:
        track = put(connection, b"/music/a.mp3", heard=analysis())
        write(connection, b"/music/a.mp3")
        journal.veto(connection, b"/music/a.mp3", "1:sha256:a", [Field.MOOD], "undone", "now")
        store.mark_missing(connection, [track], 2.0)
        assert put(connection, b"/music/new/b.mp3", inode=7) == track
        assert due(connection) == []
        history = journal.history(connection, b"/music/new/b.mp3", "1:sha256:a")
        assert history.written[Field.GENRE] == ("Jazz",)
        assert history.vetoes == {Field.MOOD}


def test_files_that_change_names_take_vetoes_and_undo_with_them(writer: Writer) -> None:
    """01 becomes 02, and another recording is 01: what was said of the first holds under its new name alone."""
    one, other = "1:sha256:a", "1:sha256:b"
    with writer.begin() as connection:
        put(connection, b"/music/01.mp3", identity=one, inode=1)
        write(connection, b"/music/01.mp3")
        journal.veto(connection, b"/music/01.mp3", one, [Field.MOOD], "undone", "now")
        put(connection, b"/music/02.mp3", identity=one, inode=1)
        put(connection, b"/music/01.mp3", identity=other, inode=2)
        assert journal.vetoed(connection, b"/music/02.mp3", one) == {Field.MOOD}
        assert len(journal.rows_for(connection, b"/music/02.mp3", one)) == 1
        assert journal.vetoed(connection, b"/music/01.mp3", other) == frozenset()
        assert journal.rows_for(connection, b"/music/01.mp3", other) == []


def test_numbers_past_what_sqlite_holds_are_kept_apart(writer: Writer) -> None:
    """A date past the year 2262, an inode that is a hash of 64 bits."""
    far = SimpleNamespace(st_mtime_ns=13_569_465_600 * 10**9, st_ctime_ns=13_569_465_601 * 10**9)
    numbers = (0o100644, (1 << 64) - 3, 5, 1, 0, 0, 8)
    kept = FileStat.of(_Stat(numbers, far))  # type: ignore[arg-type]
    with writer.begin() as connection:
        store.put_inspection(connection, replace(inspection(b"/music/a.mp3"), stat=kept), b"/music", 1.0)
        known = views.known_file(connection, b"/music/a.mp3")
        assert known is not None
        assert known.stat == kept
    assert kept.mtime_ns != kept.ctime_ns


class _Stat(tuple[int, ...]):
    """As much of a stat_result as is read."""

    st_mtime_ns: int
    st_ctime_ns: int

    def __new__(cls, numbers: tuple[int, ...], times: SimpleNamespace) -> "_Stat":
        made = super().__new__(cls, numbers)
        made.st_mtime_ns, made.st_ctime_ns = times.st_mtime_ns, times.st_ctime_ns
        return made


def test_a_copy_is_a_track_of_its_own_without_the_others_vetoes(writer: Writer) -> None:
    with writer.begin() as connection:
        first = put(connection, b"/music/a.mp3", inode=1, heard=analysis())
        journal.veto(connection, b"/music/a.mp3", "1:sha256:a", [Field.MOOD], "undone", "now")
        assert put(connection, b"/music/b.mp3", inode=2) != first
        assert journal.vetoed(connection, b"/music/b.mp3", "1:sha256:a") == frozenset()


def test_rows_of_a_copy_that_is_gone_stay_apart_from_the_other_copys(writer: Writer) -> None:
    path, identity = b"/music/a.mp3", "1:sha256:a"
    with writer.begin() as connection:
        put(connection, path, inode=1)
        gone = put(connection, b"/music/b.mp3", inode=2)
        write(connection, path)
        other = replace(prepared(b"/music/b.mp3", genre=("Rock",)), replaced={"genre": ("Folk",)}, hash_after="h2")
        journal.set_state(connection, journal.add(connection, other, JournalKind.WRITE, "t"), JournalState.RENAMED)
        store.mark_missing(connection, [gone], 2.0)
        assert [row.id for row in journal.rows_for(connection, path, identity)] == [1]
        assert journal.history(connection, path, identity).before[Field.GENRE] == ()


@pytest.mark.parametrize("copies", [1, 2], ids=["alone", "a copy written in the same second"])
def test_a_file_that_moved_and_was_edited_past_a_deleted_catalog_keeps_its_older_write(
    writer: Writer, copies: int
) -> None:
    """What it held when it was written again was nobody's hash, but our date stood in it still."""
    path, day = b"/music/moved.mp3", ("2026-01-02T03:04:05Z",)
    with writer.begin() as connection:
        for number in range(copies):
            old = prepared(b"/music/%d.mp3" % number, genre=("Jazz",), TAGGER_DATE=day)
            journal.set_state(connection, journal.add(connection, old, JournalKind.WRITE, "t"), JournalState.RENAMED)
        put(connection, path)
        new = replace(
            prepared(path, genre=("Rock",), TAGGER_DATE=("2026-02-02T03:04:05Z",)),
            replaced={"genre": ("Jazz",), "TAGGER_DATE": day},
            hash_before="edited",
            hash_after="h2",
        )
        journal.set_state(connection, journal.add(connection, new, JournalKind.WRITE, "t"), JournalState.RENAMED)
        found = [row.prepared.path for row in journal.rows_for(connection, path, "1:sha256:a")]
    assert found == ([path, b"/music/0.mp3"] if copies == 1 else [path])  # which of two it was nobody can tell


def test_with_the_catalog_deleted_undo_and_vetoes_hold(writer: Writer, catalog: Path) -> None:
    with writer.begin() as connection:
        put(connection, b"/music/a.mp3")
        write(connection, b"/music/a.mp3")
        journal.veto(connection, b"/music/a.mp3", "1:sha256:a", [Field.GENRE], "undone", "now")
    writer.close()
    for path in catalog.parent.glob("catalog.sqlite*"):
        path.unlink()
    with open_writer(catalog).begin() as connection:
        put(connection, b"/music/moved.mp3")
        rows = journal.rows_for(connection, b"/music/moved.mp3", "1:sha256:a")
        assert [row.prepared.undo_record for row in rows] == [b"record\xff"]
        assert journal.vetoed(connection, b"/music/moved.mp3", "1:sha256:a") == {Field.GENRE}
        journal.lift_vetoes(connection, b"/music/moved.mp3", "1:sha256:a")
        assert journal.vetoed(connection, b"/music/moved.mp3", "1:sha256:a") == frozenset()


def test_a_users_value_that_agrees_with_us_stays_the_users(writer: Writer) -> None:
    path = b"/music/a.mp3"
    with writer.begin() as connection:
        row = journal.add(
            connection, prepared(path, TAGGER_GENRE=("jazz",), TAGGER_MOOD=("happy",)), JournalKind.WRITE, "t"
        )
        journal.set_state(connection, row, JournalState.RENAMED)
        put(connection, path, heard=analysis("jazz"), genre=("jazz",), own={"TAGGER_GENRE": ("jazz",)})
        told = formats.as_object(views.find(connection, Filters(), None)[0])
    assert (told["genre"], told["genre_source"]) == (["jazz"], "file")


def test_a_full_disk_takes_the_transaction_back_and_says_so(writer: Writer, catalog: Path) -> None:
    def fill() -> None:
        with writer.begin() as connection:
            for number in range(5_000):
                put(connection, b"/music/%d" % number, identity=str(number), inode=number)

    with writer.begin() as connection:
        pages = connection.execute(text("PRAGMA main.page_count")).scalar_one()
    with writer._engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA main.max_page_count={pages + 2}")
    with pytest.raises(TaggerError, match="full"):
        fill()
    with writer.begin() as connection:
        assert list(views.known_files(connection, ROOT)) == []


def test_what_was_undone_is_no_longer_ours(writer: Writer) -> None:
    path = b"/music/a.mp3"
    with writer.begin() as connection:
        for kind in (JournalKind.WRITE, JournalKind.UNDO):
            row = journal.add(connection, prepared(path), kind, "t")
            assert [one.id for one in journal.open_rows(connection)] == [row]
            journal.set_state(connection, row, JournalState.RENAMED)
        assert journal.history(connection, path, "1:sha256:a").written == {}


# --- finding --------------------------------------------------------------------------------------------------------


@pytest.fixture
def library(writer: Writer) -> Writer:
    with writer.begin() as connection:
        put(connection, b"/music/model.mp3", identity="m", inode=1, heard=analysis("jazz", "happy", 0.9))
        put(connection, b"/music/unsure.mp3", identity="u", inode=2, heard=analysis("jazz", "sad", 0.3))
        put(
            connection,
            b"/music/bebop.mp3",
            identity="b",
            inode=3,
            heard=analysis("rock", "happy", 0.6),
            genre=("Bebop", "Live"),
        )
        put(
            connection,
            b"/music/polka.mp3",
            identity="p",
            inode=4,
            heard=analysis("jazz", "happy", 0.7),
            genre=("Alternative Rock",),
        )
        put(
            connection,
            b"/music/unknown.mp3",
            identity="k",
            inode=5,
            heard=analysis("blues", "calm", 0.7),
            genre=("Unknown",),
        )
        put(
            connection,
            b"/music/ours.mp3",
            identity="o",
            inode=6,
            heard=analysis("jazz", "calm", 0.8),
            genre=("Jazz",),
            own={"TAGGER_GENRE": ("jazz",)},
        )
    return writer


def found(writer: Writer, limit: int | None = None, **asked: object) -> list[str]:
    wanted = filters.parse(**{"mood": None, "genre": None, "emotion": None, **asked})  # type: ignore[arg-type]
    with writer.begin() as connection:
        return [
            os.path.basename(row.path).decode().removesuffix(".mp3") for row in views.find(connection, wanted, limit)
        ]


def test_a_genre_is_the_files_own_or_else_the_models(library: Writer) -> None:
    assert found(library, genre="jazz") == ["bebop", "model", "ours", "unsure"]
    assert found(library, genre="Rock") == ["polka"]
    assert found(library, genre="bebop") == ["bebop"]
    assert found(library, genre="blues") == ["unknown"]


def test_a_value_that_is_a_list_is_found_by_each_part(writer: Writer) -> None:
    lists = ("Bebop; Live", "Live/Bebop", "Swing, Bebop", "Bebop\0Swing", "R&B/Soul", "Bebop Revival")
    with writer.begin() as connection:
        for number, text in enumerate(lists):
            put(connection, b"/music/%d.mp3" % number, identity=str(number), inode=number, genre=(text,))
        rows = views.find(connection, Filters(), None)
    assert found(writer, genre="bebop") == ["0", "1", "2", "3"]
    assert found(writer, genre="soul") == ["4"]
    assert found(writer, genre="r&b") == ["4"]
    assert found(writer, genre="jazz") == ["0", "1", "2", "3"]
    assert rows[0].user_genres == ("Bebop; Live",)  # shown as it stands in the file


def test_several_values_that_stand_joined_are_ours_all_the_same(writer: Writer) -> None:
    """As ID3v2.3 holds them."""
    with writer.begin() as connection:
        put(connection, b"/music/a.mp3")
        row = journal.add(connection, prepared(b"/music/a.mp3", genre=("Jazz", "Blues")), JournalKind.WRITE, "t")
        journal.set_state(connection, row, JournalState.RENAMED)
        put(connection, b"/music/a.mp3", genre=("Jazz; Blues",))
        (track,) = views.find(connection, Filters(), None)
    assert track.user_genres == ()


def test_filters_combine_and_confidence_counts_for_what_is_predicted(library: Writer) -> None:
    assert found(library, mood="happy", genre="jazz") == ["model", "bebop"]
    assert found(library, genre="jazz", min_confidence=0.5) == ["bebop", "model", "ours"]
    assert found(library, mood="HAPPY", min_confidence=0.65) == ["model", "polka"]
    assert found(library, emotion="excited", limit=2) == ["bebop", "model"]
    assert len(found(library)) == 6


@pytest.mark.parametrize(
    ("kind", "word", "near"), [("mood", "hapy", "happy"), ("genre", "jaz", "jazz"), ("emotion", "seren", "serene")]
)
def test_an_unknown_word_names_the_nearest_and_all(kind: str, word: str, near: str) -> None:
    asked = {"mood": None, "genre": None, "emotion": None, kind: word}
    with pytest.raises(TaggerError, match=f"did you mean {near}.*known: "):
        filters.parse(**asked)  # type: ignore[arg-type]


def test_json_says_whose_the_genre_is(library: Writer) -> None:
    with library.begin() as connection:
        objects = {str(o["path"]): o for o in map(formats.as_object, views.find(connection, Filters(), None))}
    bebop, ours = objects["/music/bebop.mp3"], objects["/music/ours.mp3"]
    assert (bebop["genre"], bebop["genre_source"], bebop["genre_predicted"]) == (["Bebop", "Live"], "file", "rock")
    assert (ours["genre"], ours["genre_source"]) == (["jazz"], "model")
    assert set(bebop) == set(formats.COLUMNS)
    assert json.loads(json.dumps(bebop))["mood_confidence"] == 0.6


def test_lists_leave_out_what_cannot_be_a_line(writer: Writer) -> None:
    with writer.begin() as connection:
        for number, path in enumerate((b"/m/a.mp3", b"/m/new\nline.mp3", b"/m/\xff.mp3")):
            put(connection, path, identity=str(number), inode=number, heard=analysis())
        rows = views.find(connection, Filters(), None)
    assert formats.as_paths(rows, nul=False)[1] == 1
    assert formats.as_paths(rows, nul=True) == (b"/m/a.mp3\0/m/new\nline.mp3\0/m/\xff.mp3\0", 0)
    playlist, left_out = formats.as_m3u8(rows)
    assert left_out == 2
    assert playlist.decode().splitlines()[0] == "#EXTM3U"
    assert "/m/a.mp3" in playlist.decode().splitlines()
    assert formats.as_csv(rows).splitlines()[0].startswith("path,artist")


def test_explain_and_status_tell_all(library: Writer) -> None:
    with library.begin() as connection:
        track = put(connection, b"/music/bad.mp3", identity="x", inode=9)
        store.put_failure(connection, track, Failure(stage=Stage.DECODE, reason="damaged"), 0.0)
        decide(connection, track, Outcome.REFUSED)
        told = views.explain(connection, b"/music/bad.mp3")
        assert told is not None
        assert [failure.reason for failure in told.failures] == ["damaged"]
        assert told.decision is not None
        assert told.decision.notes == {"genre": "note"}
        assert views.explain(connection, b"/music/none.mp3") is None
        numbers = status.status(connection)
    assert (numbers.tracks, numbers.heard, numbers.failed, numbers.refused) == (7, 6, {"damaged": 1}, {"why": 1})


def test_every_question_is_answered_from_an_index(library: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question may walk a whole table for each of the rows it looks at."""
    plans: list[str] = []
    real = Connection.execute

    def explained(self: Connection, statement: object, *more: object, **named: object) -> object:
        compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]
        try:
            sql = str(compiled)
        except Exception:
            return real(self, statement, *more, **named)  # type: ignore[arg-type]
        rows = real(self, text("EXPLAIN QUERY PLAN " + sql.replace(":", r"\:")))
        plans.extend(str(row[-1]) for row in rows)
        return real(self, statement, *more, **named)  # type: ignore[arg-type]

    with library.begin() as connection:
        monkeypatch.setattr(Connection, "execute", explained)
        views.due_for_listening(connection, BUNDLE, 1.0, 0, 10)
        views.due_for_decision(connection, BUNDLE, "p", "1", 1.0, 0, 10)
        views.find(connection, Filters(mood="happy", genre_label="jazz"), 10)
        views.known_file(connection, b"/music/a.mp3")
        journal.rows_for(connection, b"/music/a.mp3", "a")
        monkeypatch.undo()
    assert len(plans) > 10
    inner = [
        plan
        for plan in plans
        if plan.startswith("SCAN") and not plan.startswith(("SCAN tracks", "SCAN (", "SCAN anon"))
    ]
    assert inner == []


def test_stats_make_a_round_trip(writer: Writer) -> None:
    with writer.begin() as connection:
        store.put_inspection(connection, replace(inspection(b"/music/a.mp3"), stat=stat(5, uid=7, nlink=2)), ROOT, 1.0)
        known = views.known_file(connection, b"/music/a.mp3")
        assert known is not None
        assert known.stat == stat(5, uid=7, nlink=2)
        assert [one.path for one in views.known_files(connection, ROOT)] == [b"/music/a.mp3"]
    assert engine.journal_path(Path("/x/c.sqlite")) == Path("/x/journal.sqlite")
