"""What becomes of a track whose disk fails while it is written: nothing is lost, and it comes again."""

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagger.catalog import journal, store, views
from tagger.catalog.engine import open_writer
from tagger.catalog.views import Due
from tagger.daemon import file_worker, renames
from tagger.daemon.pipeline import Pipeline, program_version
from tagger.daemon.scanner import Scanner
from tagger.records import (
    Analysis,
    Failure,
    Field,
    Inspection,
    JournalKind,
    JournalState,
    Outcome,
    Policy,
    Prepared,
    Refused,
    Stage,
    TaggerError,
)
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.undo import prepare_undo
from tagger.tags.write import commit
from tagger.vocabulary import GENRES, MOODS
from tests.audio import write_audio
from tests.bundles import untrained
from tests.quiet import Quiet


class Workers:
    """File workers in this process; some kinds of job are answered in their place."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def close(self) -> None:
        pass

    async def do(self, job: Any) -> Any:
        kind = type(job).__name__
        self.asked.append(kind)
        return self.answers[kind] if kind in self.answers else file_worker._do(job)


@pytest.fixture
def track(tmp_path: Path) -> Path:
    (tmp_path / "music").mkdir()
    return write_audio(tmp_path / "music", "mp3", 0.5)


@pytest.fixture
def pipeline(tmp_path: Path, track: Path) -> Pipeline:
    """One track that was heard, and is due for a decision."""
    header = replace(untrained(tmp_path / "bundle.safetensors"), id="b-1")
    writer = open_writer(tmp_path / "catalog.sqlite")
    with writer.begin() as connection:
        store.put_bundle(connection, header.id, header.name, header.version, header.labels, header.card)
        store.put_root(connection, os.fsencode(track.parent), track.stat().st_dev)
    made = Pipeline(writer=writer, files=Workers(), model=None, header=header, policy=Policy())  # type: ignore[arg-type]
    hear(made, track)
    return made


def hear(pipeline: Pipeline, track: Path) -> None:
    found = inspect(os.fsencode(track))
    assert isinstance(found, Inspection)
    with pipeline.writer.begin() as connection:
        store.put_inspection(connection, found, os.fsencode(track.parent), time.time())
        store.put_analysis(connection, found.identity, _analysis(), 0.5, time.time())


def _analysis() -> Analysis:
    return Analysis(
        bundle_id="b-1",
        genre="jazz",
        genre_confidence=0.8,
        mood="happy",
        mood_confidence=0.8,
        emotion="excited",
        valence=0.7,
        arousal=0.6,
        dominance=0.5,
        probabilities={
            "genre": {label: 0.8 if label == "jazz" else 0.0 for label in GENRES},
            "mood": {label: 0.8 if label == "happy" else 0.0 for label in MOODS},
        },
        embedding=b"",
        chunks=1,
    )


def due(pipeline: Pipeline, after_s: float = 0) -> list[Due]:
    """What would be decided so many seconds from now."""
    with pipeline.writer.begin() as connection:
        now = time.time() + after_s
        return views.due_for_decision(
            connection, "b-1", pipeline.policy.digest(), program_version(), now, after=0, limit=9
        )


def decided(pipeline: Pipeline, **answers: object) -> Any:
    pipeline.files = Workers(**answers)  # type: ignore[assignment]

    async def to_the_end() -> Any:
        result = await pipeline.decide(due(pipeline, after_s=1e7)[0])
        await pipeline.make_durable()
        return result

    return asyncio.run(to_the_end())


def test_a_full_disk_is_a_failure_that_comes_again(pipeline: Pipeline, track: Path) -> None:
    old = track.read_bytes()
    result = decided(pipeline, Prepare=Refused(reason=Reason.DISK_FULL))
    assert result.failure is not None
    assert result.failure.reason == Reason.DISK_FULL
    assert track.read_bytes() == old
    assert due(pipeline) == []
    assert len(due(pipeline, after_s=1e7)) == 1
    assert decided(pipeline).outcome is Outcome.WRITTEN
    assert due(pipeline, after_s=1e7) == []


def test_a_disk_that_goes_away_before_the_rename_is_settled_later(pipeline: Pipeline) -> None:
    """Neither the rename nor the look afterwards answers: the row stays open, and the next start closes it."""
    gone = Failure(stage=Stage.WRITE, reason="input or output error")
    assert decided(pipeline, Commit=gone, Settle=gone).outcome is None
    assert states(pipeline) == [JournalState.PREPARED]
    pipeline.files = Workers()  # type: ignore[assignment]
    assert asyncio.run(pipeline.recover()) == 1
    assert states(pipeline) == []


def test_a_journal_that_cannot_take_a_write_leaves_the_file_and_no_copy(
    pipeline: Pipeline, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = track.read_bytes()

    def full(*args: object, **kwargs: object) -> int:
        raise TaggerError("the catalog cannot be written: database or disk is full")

    monkeypatch.setattr(journal, "add", full)
    with pytest.raises(TaggerError, match="full"):
        decided(pipeline)
    assert track.read_bytes() == old
    assert list(track.parent.iterdir()) == [track]
    assert states(pipeline) == []


def test_a_file_that_another_program_writes_comes_again(pipeline: Pipeline, track: Path) -> None:
    with track.open("r+b"):
        result = decided(pipeline)
        if result.outcome is Outcome.WRITTEN:
            pytest.skip("needs a file system with leases")
        assert result.failure.reason == Reason.BUSY
        assert due(pipeline) == []
    assert decided(pipeline).outcome is Outcome.WRITTEN


# --- the files of a folder share its fsync --------------------------------------------------------------------------


def test_a_folder_is_made_durable_once_and_then_all_rows_are_closed(
    pipeline: Pipeline, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renames, "_LONGEST_S", 1e9)  # however slow the machine is
    more = [track.with_name(f"{number}.mp3") for number in range(5)]
    for number, path in enumerate(more):
        write_audio(track.parent, "mp3", 0.5, name=path.stem, seed=number + 1)
        hear(pipeline, path)
    files = pipeline.files = Workers()  # type: ignore[assignment]

    async def decide_all() -> None:
        for one in due(pipeline):
            assert (await pipeline.decide(one)).outcome is Outcome.WRITTEN
        assert states(pipeline) == 6 * [JournalState.PREPARED]
        await pipeline.make_durable()

    asyncio.run(decide_all())
    assert (files.asked.count("Commit"), files.asked.count("MakeDurable")) == (6, 1)
    assert states(pipeline) == []


def test_after_a_power_cut_files_whose_folder_was_not_durable_say_themselves_what_they_are(
    pipeline: Pipeline, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rename outlasted it, the other did not; neither is lost to the journal, and the second comes again."""
    monkeypatch.setattr(renames, "_LONGEST_S", 1e9)
    lost = write_audio(track.parent, "mp3", 0.5, name="lost", seed=1)
    hear(pipeline, lost)
    old = lost.read_bytes()

    async def decide_all() -> None:
        for one in due(pipeline):
            assert (await pipeline.decide(one)).outcome is Outcome.WRITTEN

    asyncio.run(decide_all())
    lost.write_bytes(old)
    pipeline._renames.taken()
    assert asyncio.run(pipeline.recover()) == 2
    assert states(pipeline) == []
    with pipeline.writer.begin() as connection:
        for path, state in ((track, JournalState.RENAMED), (lost, JournalState.DROPPED)):
            known = views.known_file(connection, os.fsencode(path))
            assert known is not None
            assert [row.state for row in journal.rows_for(connection, os.fsencode(path), known.identity)] == [state]
    found = inspect(os.fsencode(lost))
    assert isinstance(found, Inspection)
    with pipeline.writer.begin() as connection:  # as the next scan does, which sees another state than it knows
        store.put_inspection(connection, found, os.fsencode(track.parent), time.time())
    assert [one.path for one in due(pipeline)] == [os.fsencode(lost)]
    assert decided(pipeline).outcome is Outcome.WRITTEN


def test_what_was_cut_off_behind_its_rename_is_made_durable_by_the_next_start(pipeline: Pipeline) -> None:
    asyncio.run(pipeline.decide(due(pipeline)[0]))
    pipeline._renames.taken()
    files = pipeline.files = Workers()  # type: ignore[assignment]
    assert asyncio.run(pipeline.recover()) == 1
    assert files.asked.count("MakeDurable") == 1
    assert states(pipeline) == []


def test_whoever_waits_for_long_is_waited_for_no_more(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renames, "_LONGEST_S", 0.0)
    files = pipeline.files = Workers()  # type: ignore[assignment]
    asyncio.run(pipeline.decide(due(pipeline)[0]))
    assert files.asked.count("MakeDurable") == 1
    assert states(pipeline) == []


def test_a_folder_whose_fsync_fails_leaves_it_to_each_file(pipeline: Pipeline) -> None:
    broken = Failure(stage=Stage.WRITE, reason="input or output error")
    assert decided(pipeline, MakeDurable=broken).outcome is Outcome.WRITTEN
    assert "Settle" in pipeline.files.asked  # type: ignore[attr-defined]
    assert states(pipeline) == []


def test_an_undo_that_was_cut_off_behind_its_rename_is_vetoed_by_the_next_start(
    pipeline: Pipeline, track: Path
) -> None:
    path, old = os.fsencode(track), track.read_bytes()
    assert decided(pipeline).outcome is Outcome.WRITTEN
    found = inspect(path)
    assert isinstance(found, Inspection)
    with pipeline.writer.begin() as connection:
        prepared, _ = prepare_undo(path, journal.rows_for(connection, path, found.identity), Policy())
        assert isinstance(prepared, Prepared)
        journal.add(connection, prepared, JournalKind.UNDO, "2026-01-02T03:04:05Z")
    commit(prepared)
    assert track.read_bytes() == old
    assert asyncio.run(pipeline.recover()) == 1
    with pipeline.writer.begin() as connection:
        assert journal.vetoed(connection, path, found.identity) == set(Field) - {Field.GROUPING}


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_was_deleted_after_the_crash_leaves_nothing_open(
    pipeline: Pipeline, track: Path, what: str
) -> None:
    """It is closed as gone by the scan that misses it; should the file come back, its content decides."""
    cut_off(pipeline)
    content = track.read_bytes()
    (track.parent / "another.txt").write_text("the disk is there")
    (track if what == "file" else track.parent).rename(track.parent.parent / "away")
    assert asyncio.run(pipeline.recover()) == 0  # perhaps its disk is not mounted
    asyncio.run(scanner(pipeline).take(os.fsencode(track), os.fsencode(track.parent)))
    assert asyncio.run(pipeline.recover()) == 1
    assert states(pipeline) == []
    assert all_states(pipeline) == ["gone"]
    (track.parent.parent / "away").rename(track if what == "file" else track.parent)
    asyncio.run(scanner(pipeline).take(os.fsencode(track), os.fsencode(track.parent)))
    assert asyncio.run(pipeline.recover()) == 1
    assert track.read_bytes() == content
    assert all_states(pipeline) == ["renamed"]


def test_a_file_that_was_moved_after_the_crash_is_settled_by_the_scan_that_finds_it(
    pipeline: Pipeline, track: Path
) -> None:
    cut_off(pipeline)
    track.rename(track.with_name("moved.mp3"))
    assert asyncio.run(pipeline.recover()) == 0
    said = scanner(pipeline)
    asyncio.run(said.scan([os.fsencode(track.parent)]))
    assert all_states(pipeline) == ["renamed"]
    assert states(pipeline) == []


def cut_off(pipeline: Pipeline) -> None:
    """The file is the new one, and its row still open."""
    gone = Failure(stage=Stage.WRITE, reason="input or output error")

    class Cut(Workers):
        async def do(self, job: Any) -> Any:
            if type(job).__name__ == "Commit":
                commit(job.prepared)
                return gone
            return gone if type(job).__name__ == "Settle" else file_worker._do(job)

    pipeline.files = Cut()  # type: ignore[assignment]
    asyncio.run(pipeline.decide(due(pipeline)[0]))
    assert states(pipeline) == [JournalState.PREPARED]
    pipeline.files = Workers()  # type: ignore[assignment]


def scanner(pipeline: Pipeline) -> Scanner:
    return Scanner(pipeline=pipeline, reporter=Quiet(), exclude=(), settle_s=0, in_flight=1)


def all_states(pipeline: Pipeline) -> list[str]:
    with pipeline.writer.begin() as connection:
        return [state for (state,) in connection.exec_driver_sql("SELECT state FROM writes ORDER BY id")]


def states(pipeline: Pipeline) -> list[JournalState]:
    with pipeline.writer.begin() as connection:
        return [row.state for row in journal.open_rows(connection)]


def test_a_file_whose_write_was_cut_off_is_decided_once_it_can_be_asked(pipeline: Pipeline, track: Path) -> None:
    """Until then nobody knows whether what stands there is ours: no veto is made of it."""
    gone = Failure(stage=Stage.WRITE, reason="input or output error")
    decided(pipeline, Commit=gone, Settle=gone)
    assert decided(pipeline, Settle=gone).outcome is None
    with pipeline.writer.begin() as connection:
        known = views.known_file(connection, os.fsencode(track))
        assert known is not None
        assert journal.vetoed(connection, os.fsencode(track), known.identity) == frozenset()
    assert decided(pipeline).outcome is Outcome.WRITTEN
    assert all_states(pipeline) == ["dropped", "renamed"]


def test_a_file_whose_write_went_through_before_the_cut_is_ours(pipeline: Pipeline, track: Path) -> None:
    cut_off(pipeline)
    asyncio.run(scanner(pipeline).take(os.fsencode(track), os.fsencode(track.parent)))
    assert decided(pipeline).outcome is Outcome.UNCHANGED
    assert all_states(pipeline) == ["renamed"]
