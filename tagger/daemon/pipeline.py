"""The way of a file, from its bytes to its tags. Main's loop alone decides here and writes the catalog."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import assert_never

from tagger.analysis.header import BundleHeader
from tagger.catalog import journal, store, views
from tagger.catalog.engine import Connection, Writer
from tagger.catalog.views import Due, KnownFile
from tagger.daemon import jobs
from tagger.daemon.renames import OpenRow, Renames, close, make_durable, now_text, settled
from tagger.daemon.workers import FileWorkers, ModelWorker
from tagger.library.walk import Found
from tagger.records import (
    NOT_HEARD,
    Analysis,
    Committed,
    Decision,
    Dropped,
    Edit,
    Failure,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Outcome,
    Policy,
    Prepared,
    Refused,
    Stage,
    Unchanged,
)
from tagger.tags.edit import CHANGED_BY_USER
from tagger.tags.fields import field_of
from tagger.tags.refusals import Reason


class StoppingError(Exception):
    """The program is ending; a write that has not reached its journal row is abandoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one track on one way through the pipeline."""

    analyzed: bool = False
    outcome: Outcome | None = None  # None: nothing was decided
    edit: Edit | None = None
    failure: Failure | None = None
    reason: str = ""  # why it was refused, or not heard


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """All that a file needs on its way; `dry_run` decides and writes nothing."""

    writer: Writer
    files: FileWorkers
    model: ModelWorker
    header: BundleHeader
    policy: Policy
    dry_run: bool = False
    stopping: bool = False
    run: int | None = None  # of the journal; begins with the first write, ends with the work
    _renames: Renames = field(default_factory=Renames)

    # --- what is there --------------------------------------------------------------------------------------------

    async def inspect(self, found: Found, root: bytes, known: KnownFile | None) -> Failure | None:
        """A new or changed file gets its row, its identity and its values."""
        before = (known.stat, known.identity) if known and known.identity else None
        answer = await self.files.do(jobs.Inspect(found.path, before))
        with self.writer.begin() as connection:
            if isinstance(answer, Failure):
                store.put_unreadable(connection, found.path, root, found.stat, answer, time.time())
                return answer
            store.put_inspection(connection, answer, root, time.time())
        return None

    # --- listening ------------------------------------------------------------------------------------------------

    async def listen(self, due: Due) -> Result:
        """Decode, hear, store; then decide what to write."""
        self._check_stopping()
        plan, rate_hz = self.header.plan, self.header.sample_rate_hz
        decoded = await self.files.do(jobs.Decode(due.path, plan, rate_hz))
        if isinstance(decoded, Failure):
            return self._not_heard(due, decoded)
        self._check_stopping()
        analysis = await self.model.hear(decoded)
        if isinstance(analysis, Failure):
            return self._not_heard(due, analysis)
        with self.writer.begin() as connection:
            store.put_analysis(connection, due.identity, analysis, decoded.length_seconds, time.time())
        decided = await self.decide(due)
        return replace(decided, analyzed=True)

    def _not_heard(self, due: Due, failure: Failure) -> Result:
        silent = failure.reason in NOT_HEARD
        with self.writer.begin() as connection:
            store.put_failure(connection, due.track_id, failure, time.time(), final=silent)
            if silent:
                decision = Decision(outcome=Outcome.NOT_HEARD, reason=failure.reason, notes={})
                self._put_decision(connection, due.track_id, decision)
        return Result(outcome=Outcome.NOT_HEARD, reason=failure.reason) if silent else Result(failure=failure)

    # --- deciding and writing -------------------------------------------------------------------------------------

    async def decide(self, due: Due) -> Result:
        """Propose an edit for the file as it stands, and carry it out."""
        self._check_stopping()
        if not await self._all_told(due):
            return Result()  # whether what stands there is ours cannot be known yet: it is due again
        with self.writer.begin() as connection:
            analysis = views.analysis_of(connection, due.identity, self.header.id)
            known = views.known_file(connection, due.path)
            history = journal.history(connection, due.path, due.identity)
        if analysis is None or known is None:
            return Result()
        if not analysis.is_music:
            return self._not_music(due, analysis)
        before = (known.stat, known.identity)
        answer = await self.files.do(
            jobs.Propose(due.path, before, analysis, self.policy, history, now_text(), self.dry_run)
        )
        if isinstance(answer, Failure):
            return self._write_failed(due, answer)
        self._put_what_stands(due, known, answer)
        if answer.inspection.identity != due.identity:  # another recording by now: it is heard first
            return Result()
        match answer.proposal:
            case Unchanged(notes=notes):
                return self._decided(due, Outcome.UNCHANGED, _summary(notes), notes)
            case Refused() as refused:
                return self._refused(due, refused)
            case Edit() as edit if self.dry_run:
                self._decided(due, Outcome.DRY_RUN, "would be written", edit.notes)
                return Result(outcome=Outcome.DRY_RUN, edit=edit)
            case Edit() as edit:
                return await self._write(due, edit)
            case _:
                assert_never(answer.proposal)

    def _not_music(self, due: Due, analysis: Analysis) -> Result:
        """Nothing is written, no field of ours either; what an earlier bundle wrote stays, and can be undone."""
        notes = {"music": f"{analysis.probabilities['music']['music']:.2f}, needs {self.header.music_threshold:.2f}"}
        decided = self._decided(due, Outcome.NOT_MUSIC, "speech, noise or the like", notes)
        return replace(decided, reason="it is not music")

    def _put_what_stands(self, due: Due, known: KnownFile, answer: jobs.Proposed) -> None:
        """The catalog follows the file; a field that the user changed after us is vetoed from now on."""
        notes: Mapping[str, str] = getattr(answer.proposal, "notes", {})
        changed = [field_of(name) for name, note in notes.items() if note == CHANGED_BY_USER and not self.dry_run]
        with self.writer.begin() as connection:
            if answer.inspection.stat != known.stat:
                store.put_inspection(connection, answer.inspection, due.root, time.time())
            journal.veto(connection, due.path, due.identity, changed, CHANGED_BY_USER, now_text())

    async def _write(self, due: Due, edit: Edit) -> Result:
        self._check_stopping()
        prepared = await self.files.do(jobs.Prepare(edit))
        match prepared:
            case Failure():
                return self._write_failed(due, prepared)
            case Refused(reason=Reason.DISK_FULL | Reason.BUSY as reason, detail=detail):  # not for good: tried again
                return self._write_failed(due, Failure(stage=Stage.WRITE, reason=reason, detail=detail))
            case Refused() as refused:
                return self._refused(due, refused)
            case Dropped():
                return Result()  # no decision: it is due again
        match await self.carry_out(prepared, JournalKind.WRITE, due.root):
            case Failure() as failure:
                return self._write_failed(due, failure)
            case Dropped():
                return Result()
        self._decided(due, Outcome.WRITTEN, "written", edit.notes)
        return Result(outcome=Outcome.WRITTEN, edit=edit)

    async def carry_out(
        self, prepared: Prepared, kind: JournalKind, root: bytes | None, undoes: Collection[int] | None = None
    ) -> Dropped | Failure | None:
        """Journal, rename, journal; why the file is not the new one. `root` is None for a file that is no track.

        An undo names the writes that it takes back.
        """
        if self.stopping:
            await self.files.do(jobs.Abort(prepared))
            raise StoppingError
        row = await self._journaled(prepared, kind, undoes)
        answer = await self.files.do(jobs.Commit(prepared))
        states = {Committed: JournalState.RENAMED, Dropped: JournalState.DROPPED}
        # where the worker broke, the file itself tells
        state = states.get(type(answer)) or await settled(self.writer, self.files, prepared)
        if state is not JournalState.RENAMED:
            close(self.writer, [(row, state)])
            return answer  # type: ignore[no-any-return]
        self._renames.add(row)
        if root is not None:
            await self._look_again(prepared, answer, root)
        if self._renames.due():
            await self.make_durable()
        return None

    async def _journaled(self, prepared: Prepared, kind: JournalKind, undoes: Collection[int] | None) -> OpenRow:
        """The row without which nothing is renamed; where the journal cannot take it, the copy goes."""
        try:
            with self.writer.begin() as connection:
                if kind is JournalKind.WRITE and self.run is None:
                    self.run = journal.next_run(connection)
                run = self.run if kind is JournalKind.WRITE else None
                row_id = journal.add(connection, prepared, kind, now_text(), run=run, undoes=undoes)
                return OpenRow(row_id, kind, prepared)
        except BaseException:
            await self.files.do(jobs.Abort(prepared))
            raise

    async def make_durable(self) -> None:
        """What was renamed outlasts a power cut from now on, and its journal rows say so."""
        await make_durable(self.writer, self.files, self._renames)

    async def _look_again(self, prepared: Prepared, answer: Committed | Failure, root: bytes) -> None:
        """The catalog learns our own change at once, so that no scan or watcher takes it for somebody else's."""
        known = (answer.stat_after, prepared.identity) if isinstance(answer, Committed) else None
        inspection = await self.files.do(jobs.Inspect(prepared.path, known))
        if isinstance(inspection, Inspection):
            with self.writer.begin() as connection:
                store.put_inspection(connection, inspection, root, time.time())

    def _write_failed(self, due: Due, failure: Failure) -> Result:
        failed = Failure(stage=Stage.WRITE, reason=failure.reason, detail=failure.detail)
        with self.writer.begin() as connection:
            store.put_failure(connection, due.track_id, failed, time.time())
        return Result(failure=failed)

    def _refused(self, due: Due, refused: Refused) -> Result:
        notes = {"detail": refused.detail} if refused.detail else {}
        decided = self._decided(due, Outcome.REFUSED, refused.reason, notes)
        return replace(decided, reason=refused.reason + (f" ({refused.detail})" if refused.detail else ""))

    def _decided(self, due: Due, outcome: Outcome, reason: str, notes: Mapping[str, str]) -> Result:
        """Stores a decision; a dry run's is one only in name, and is made again by the next scan."""
        if self.dry_run and outcome is not Outcome.DRY_RUN:
            stored = Decision(outcome=Outcome.DRY_RUN, reason=f"would be {outcome}: {reason}", notes=dict(notes))
        else:
            stored = Decision(outcome=outcome, reason=str(reason), notes=dict(notes))
        with self.writer.begin() as connection:
            self._put_decision(connection, due.track_id, stored)
            if not self.dry_run:
                store.clear_failure(connection, due.track_id, Stage.WRITE)
        return Result(outcome=outcome)

    def _put_decision(self, connection: Connection, track_id: int, decision: Decision) -> None:
        store.put_decision(
            connection,
            track_id,
            decision,
            bundle_id=self.header.id,
            policy_digest=self.policy.digest(),
            program_version=program_version(),
        )

    # --- after a crash --------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """Settles what the last run left open, then removes copies that nobody owns; how many rows are settled."""
        await self.make_durable()  # what this run renamed is not cut off
        with self.writer.begin() as connection:
            rows = journal.open_rows(connection)
            folders = journal.directories(connection) if rows else ()
        count = await self._settle(rows)
        await self.make_durable()
        for folder in sorted(folders):
            await self.remove_strays(folder)
        return count

    async def _all_told(self, due: Due) -> bool:
        """Whether it is known of each write to a file what became of it; those that were cut off are asked now."""
        with self.writer.begin() as connection:
            rows = journal.open_rows(connection, due.path)
        cut_off = [row for row in rows if not self._renames.holds(row.id)]
        return await self._settle(cut_off) == len(cut_off)

    async def _settle(self, rows: Sequence[JournalRow]) -> int:
        """Closes rows by what their files hold; how many. The others stay open: nobody can tell now."""
        count = 0
        for row in rows:
            state = await settled(self.writer, self.files, row.prepared)
            open_row = OpenRow(row.id, row.kind, row.prepared)
            if state is JournalState.RENAMED:  # by a program that was killed, perhaps before the folder's fsync
                self._renames.add(open_row)
            else:
                close(self.writer, [(open_row, state)])
            count += state is not JournalState.PREPARED
        return count

    async def remove_strays(self, folder: bytes) -> None:
        """Copies that a crash left in a folder, but those of writes that are still open."""
        with self.writer.begin() as connection:
            keep = frozenset(row.prepared.temp_name for row in journal.open_rows(connection))
        await self.files.do(jobs.RemoveStrays(folder, keep))

    async def close(self) -> None:
        """Nothing is left to do for now: the workers go, and the next write begins another run."""
        try:
            await self.make_durable()
        finally:
            self.run = None
            await asyncio.gather(self.files.close(), self.model.close())

    def _check_stopping(self) -> None:
        if self.stopping:
            raise StoppingError


def program_version() -> str:
    try:
        return version("tagger")
    except PackageNotFoundError:  # run from a checkout
        return "0"


def _summary(notes: Mapping[str, str]) -> str:
    return "; ".join(dict.fromkeys(f"{name}: {note}" for name, note in notes.items()))
