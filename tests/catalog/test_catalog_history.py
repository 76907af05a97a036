"""Runs, what was undone, and what `tagger history` reads, over real SQLite files."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import ColumnElement, create_engine, select, text
from sqlalchemy.dialects import sqlite

from tagger.catalog import history, journal, schema, status, store
from tagger.catalog.engine import Connection, Writer, journal_path, open_history, open_writer
from tagger.records import Field, FileStat, Inspection, JournalKind, JournalState, Prepared, TaggerError, TagValues

AUDIO = "1:sha256:a"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def writer(catalog: Path) -> Writer:
    return open_writer(catalog)


def stat() -> FileStat:
    return FileStat(device=1, inode=1, size_bytes=9, mtime_ns=1, ctime_ns=1, nlink=1, uid=0, gid=0, mode=0o100644)


def prepared(path: bytes, genre: str, bundle: str | None, over: str = "Old") -> Prepared:
    return Prepared(
        path=path, temp_name=b".tagger-1.tmp", temp_inode=9, stat_before=stat(), hash_before="h0", hash_after="h1",
        identity=AUDIO, undo_record=b"12345", written={"genre": (genre,)}, replaced={"genre": (over,)},
        bundle_id=bundle,
    )  # fmt: skip


def write(
    connection: Connection, path: bytes, *, run: int | None = None, at: str = "2026-01-01T00:00:00Z",
    genre: str = "Jazz", bundle: str = "b-1", state: JournalState = JournalState.RENAMED, over: str = "Old",
) -> int:  # fmt: skip
    row = journal.add(connection, prepared(path, genre, bundle, over), JournalKind.WRITE, at, run=run)
    journal.set_state(connection, row, state)
    return row


def undo(
    connection: Connection, path: bytes, undoes: Sequence[int] | None, at: str = "2026-03-01T00:00:00Z",
    genre: str = "Old", over: str = "Jazz",
) -> int:  # fmt: skip
    row = journal.add(connection, prepared(path, genre, None, over), JournalKind.UNDO, at, undoes=undoes)
    journal.set_state(connection, row, JournalState.RENAMED)
    return row


def put(connection: Connection, path: bytes) -> None:
    found = Inspection(
        path=path, stat=stat(), identity=AUDIO, container="mp3", codec="mp3", length_seconds=1.0, channels=2,
        tags=TagValues(),
    )  # fmt: skip
    store.put_inspection(connection, found, b"/music", 1.0)


def undone(connection: Connection, path: bytes) -> set[int]:
    return {row.id for row in journal.rows_for(connection, path, AUDIO) if row.undone}


def test_an_undo_marks_the_writes_that_it_names(writer: Writer) -> None:
    with writer.begin() as connection:
        first, second = write(connection, b"/music/a.mp3", run=1), write(connection, b"/music/a.mp3", run=2)
        undo(connection, b"/music/a.mp3", [second])
        assert undone(connection, b"/music/a.mp3") == {second}
        third = write(connection, b"/music/a.mp3", run=3)
        undo(connection, b"/music/a.mp3", [first, second, third])
        assert undone(connection, b"/music/a.mp3") == {first, second, third}


def test_an_undo_that_did_not_come_to_pass_marks_nothing(writer: Writer) -> None:
    with writer.begin() as connection:
        row = write(connection, b"/music/a.mp3")
        journal.set_state(connection, undo(connection, b"/music/a.mp3", [row]), JournalState.DROPPED)
        assert undone(connection, b"/music/a.mp3") == set()


def test_an_undo_from_before_runs_took_back_all_before_it_and_no_copys(writer: Writer) -> None:
    with writer.begin() as connection:
        first, copy = write(connection, b"/music/a.mp3"), write(connection, b"/music/copy.mp3")
        undo(connection, b"/music/a.mp3", None)
        later = write(connection, b"/music/a.mp3")
        marks = {entry.id: entry.undone for entry in history.entries(connection, None, 9)}
    assert (marks[first], marks[copy], marks[later]) == (True, False, False)


def test_what_an_earlier_write_left_is_ours_again_when_a_later_one_is_undone(writer: Writer) -> None:
    with writer.begin() as connection:
        first = write(connection, b"/music/a.mp3", genre="Jazz")
        second = write(connection, b"/music/a.mp3", genre="Rock", over="Jazz")
        undo(connection, b"/music/a.mp3", [second], genre="Jazz", over="Rock")
        assert journal.history(connection, b"/music/a.mp3", AUDIO).written == {Field.GENRE: ("Jazz",)}
        undo(connection, b"/music/a.mp3", [first, second])
        assert journal.history(connection, b"/music/a.mp3", AUDIO).written == {}


def test_runs_count_what_was_written_and_what_of_it_is_undone(writer: Writer) -> None:
    with writer.begin() as connection:
        assert journal.next_run(connection) == 1
        write(connection, b"/music/a.mp3", at="2025-01-01T00:00:00Z")  # from before runs
        one = write(connection, b"/music/a.mp3", run=1)
        two = write(connection, b"/music/b.mp3", run=1, at="2026-01-01T00:05:00Z", bundle="b-2")
        write(connection, b"/other/c.mp3", run=2)
        write(connection, b"/other/d.mp3", run=2, state=JournalState.DROPPED)
        undo(connection, b"/music/a.mp3", [one])
        undo(connection, b"/music/b.mp3", [two])
        assert journal.next_run(connection) == 3
        newest, first = history.runs(connection, None, 9)
        assert (newest.run, newest.writes) == (2, 1)
        assert (first.files, first.writes, first.undone, first.bundle_ids) == (2, 2, 2, ("b-1", "b-2"))
        assert (first.began, first.ended) == ("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z")
        assert [run.run for run in history.runs(connection, b"/music", 9)] == [1]
        assert [run.run for run in history.runs(connection, None, 1)] == [2]


def test_status_counts_files_that_are_undone_apart(writer: Writer) -> None:
    with writer.begin() as connection:
        for path in (b"/music/a.mp3", b"/music/b.mp3", b"/music/c.mp3"):
            put(connection, path)
        rows = [
            write(connection, path) for path in (b"/music/a.mp3", b"/music/a.mp3", b"/music/b.mp3", b"/music/c.mp3")
        ]
        undo(connection, b"/music/a.mp3", rows[1:2])
        undo(connection, b"/music/b.mp3", rows[2:3])
        numbers = status.status(connection)
        assert (numbers.written, numbers.undone) == (2, 1)


def test_no_row_is_compared_with_every_other(writer: Writer) -> None:
    """The undos are looked through once for all rows, or by an index; nor do a jingle's copies pair with each other."""

    def plan(undone: ColumnElement[bool]) -> list[str]:
        compiled = select(schema.writes.c.id, undone).compile(
            dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
        )
        with writer.begin() as connection:
            return [str(row[-1]) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]

    once, each = "LIST SUBQUERY", "CORRELATED SCALAR SUBQUERY"
    for undone, by in ((journal.undone(), "SCAN writes_1"), (journal.undone("i"), "ix_writes_identity")):
        steps = plan(undone)
        first, second = (next(i for i, step in enumerate(steps) if step.startswith(what)) for what in (once, each))
        assert any(by in step for step in steps[first:second]), steps
        assert "ix_writes_path" in " ".join(steps[second:]), steps


def test_entries_are_newest_first_bounded_and_below_the_path(writer: Writer) -> None:
    with writer.begin() as connection:
        rows = [write(connection, path) for path in (b"/music/a.mp3", b"/music.old/a.mp3", b"/music/\xff/b.mp3")]
        write(connection, b"/music/c.mp3", state=JournalState.DROPPED)
        assert [one.id for one in history.entries(connection, None, 2)] == [rows[2], rows[1]]
        assert [one.id for one in history.entries(connection, b"/music/", 9)] == [rows[2], rows[0]]
        (entry,) = history.entries(connection, b"/music/a.mp3", 9)
    assert (entry.written, entry.replaced, entry.undo_bytes) == ({"genre": ("Jazz",)}, {"genre": ("Old",)}, 5)


def test_without_the_catalog_the_journal_tells_all(writer: Writer, catalog: Path) -> None:
    with writer.begin() as connection:
        put(connection, b"/music/a.mp3")
        write(connection, b"/music/a.mp3", run=1)
    writer.close()
    for path in catalog.parent.glob("catalog.sqlite*"):
        path.unlink()
    with open_history(catalog).connect() as connection:
        assert [one.path for one in history.entries(connection, b"/music", 9)] == [b"/music/a.mp3"]
        assert [one.run for one in history.runs(connection, None, 9)] == [1]
    assert not catalog.exists()
    with open_writer(catalog).begin() as connection:  # it moved while there was no catalog
        put(connection, b"/music/moved.mp3")
        assert len(history.entries(connection, b"/music/moved.mp3", 9)) == 1


def test_without_a_journal_there_is_no_history(catalog: Path) -> None:
    with pytest.raises(TaggerError, match="tagger scan"):
        open_history(catalog)


def test_a_journal_from_before_runs_keeps_its_rows(catalog: Path, root: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(root / "migrations" / "journal"))
    engine = create_engine(f"sqlite:///{journal_path(catalog)}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with sqlite3.connect(journal_path(catalog)) as raw:
        raw.execute(
            "INSERT INTO writes VALUES (1, '/m/a.mp3', 'i', 'write', 'renamed', '2025-01-01T00:00:00Z', 'a', 'b', 't',"
            " 1, '[1, 2, 3, 4, 5, 6, 7, 8, 9]', 'r', '{\"genre\": [\"Jazz\"]}', '{\"genre\": []}', 'b-1')"
        )
    raw.close()
    with open_writer(catalog).begin() as connection:
        (entry,) = history.entries(connection, None, 9)
        assert (entry.run, entry.undone, entry.written) == (None, False, {"genre": ("Jazz",)})
        assert history.runs(connection, None, 9) == []


def test_pruning_takes_the_records_of_old_writes_and_nothing_else(writer: Writer, catalog: Path) -> None:
    with writer.begin() as connection:
        old = write(connection, b"/music/a.mp3", at="2025-01-01T00:00:00Z")
        open_row = journal.add(connection, prepared(b"/music/b.mp3", "Jazz", "b"), JournalKind.WRITE, "2025-01-01")
        new = write(connection, b"/music/a.mp3", genre="Rock")
        journal.veto(connection, b"/music/a.mp3", AUDIO, [Field.MOOD], "undone", "now")
        was = journal.history(connection, b"/music/a.mp3", AUDIO)
        assert history.cost(connection) == history.Cost(
            writes=2, records=2, undo_bytes=10, oldest="2025-01-01T00:00:00Z"
        )
        assert history.cost(connection, "2025-12-31T00:00:00Z").undo_bytes == 5
        journal.prune(connection, "2025-12-31T00:00:00Z")
        files = (b"/music/a.mp3", b"/music/b.mp3")
        rows = [row for path in files for row in journal.rows_for(connection, path, AUDIO)]
        records = {row.id: row.prepared.undo_record for row in rows}
        assert records == {new: b"12345", open_row: b"12345", old: b""}
        assert journal.history(connection, b"/music/a.mp3", AUDIO) == was
        assert (history.cost(connection).records, history.cost(connection).writes) == (1, 2)


def test_what_is_pruned_leaves_the_disk(writer: Writer, catalog: Path) -> None:
    with writer.begin() as connection:
        for number in range(20):
            row = journal.add(
                connection,
                replace(prepared(b"/m/%d" % number, "Jazz", "b"), undo_record=bytes(100_000)),
                JournalKind.WRITE,
                "2025-01-01T00:00:00Z",
            )
            journal.set_state(connection, row, JournalState.RENAMED)
    with writer.begin() as connection:
        journal.prune(connection, "2026-01-01")
    writer.compact_journal()
    assert journal_path(catalog).stat().st_size < 200_000
    assert not journal_path(catalog).with_name("journal.sqlite-wal").stat().st_size
