"""Undo and `write --again`, file by file, in the pipeline of a daemon or of a command by itself."""

import os
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from tagger.catalog import history, journal, store, views
from tagger.catalog.engine import Connection, Writer
from tagger.daemon import jobs
from tagger.daemon.pipeline import Pipeline
from tagger.daemon.report import PruneReport, Reporter, UndoReport
from tagger.daemon.turns import Turn
from tagger.ownership import of_one_file
from tagger.records import (
    Dropped,
    Failure,
    FieldEdit,
    JournalKind,
    JournalRow,
    JournalState,
    Prepared,
    Refused,
    Selection,
    TaggerError,
    UndoPlan,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file that was written: where it lies now, its root where it is a track, and which writes are meant.

    None: all that were made until it is this file's turn.
    """

    path: bytes
    identity: str
    root: bytes | None
    selected: frozenset[int] | None = frozenset()


async def undo(
    pipeline: Pipeline,
    paths: Sequence[bytes] | None,
    selection: Selection,
    reporter: Reporter,
    *,
    dry_run: bool,
    turn: Turn | None = None,
) -> UndoReport:
    """Takes the selected writes back in these files, or below these folders; None: in all. One never holds up another.

    Gives way between two files where there is a `turn`.

    Raises TaggerError where no write has the run or the bundle that is asked for.
    """
    report = UndoReport()
    files = _written(pipeline, paths, selection)
    for path in _unmatched(paths or (), files):
        reporter.say(
            f"{os.fsdecode(path)}: " + ("tagger never wrote to it" if selection == Selection() else _NOT_MEANT)
        )
        report.unchanged += 1
    for number, file in enumerate(files, start=1):
        await (_foresee if dry_run else _undo)(pipeline, file, reporter, report)
        reporter.progress(number, len(files), "undo")
        if turn is not None and turn.over:
            await pipeline.make_durable()  # with the vetoes: what is undone is not written again meanwhile
            await turn.give_way()
    await pipeline.make_durable()
    return report


_NOT_MEANT = "no write to it is among those chosen"


def prune(writer: Writer, before: str) -> PruneReport:
    """Forgets how to undo, to the byte, what was written before a time."""
    with writer.begin() as connection:
        cost = history.cost(connection, before)
        journal.prune(connection, before)
    writer.compact_journal()
    return PruneReport(pruned=cost.records, freed_bytes=cost.undo_bytes)


def lift(pipeline: Pipeline, paths: Sequence[bytes]) -> None:
    """`write --again`: the vetoes of these tracks are gone, and they are decided anew."""
    wanted = frozenset(paths)
    with pipeline.writer.begin() as connection:
        for root in views.roots(connection):
            for known in views.known_files(connection, root):
                if _among(known.path, wanted):
                    journal.lift_vetoes(connection, known.path, known.identity)
                    store.forget_decision(connection, known.track_id)


def _written(pipeline: Pipeline, paths: Sequence[bytes] | None, selection: Selection) -> list[_File]:
    """The files of the journal with writes that are meant, each where it lies now."""
    found: dict[bytes, _File] = {}
    wanted = None if paths is None else frozenset(paths)
    everything = selection == Selection()
    with pipeline.writer.begin() as connection:
        selected = journal.selected(connection, selection)
        if not selected and (selection.run is not None or selection.bundle_id is not None):
            raise TaggerError("nothing was written in such a run or by such a bundle: `tagger history` lists them")
        for (path, identity), ids in selected.items():
            for now in _places(connection, path, identity):
                if wanted is None or _among(now.path, wanted):
                    earlier = found.get(now.path, now).selected or frozenset()
                    found[now.path] = replace(now, selected=None if everything else earlier.union(ids))
    return list(found.values())


def _places(connection: Connection, path: bytes, identity: str) -> list[_File]:
    known = views.known_file(connection, path)
    if known is not None and not known.missing and known.identity == identity:
        return [_File(path=path, identity=identity, root=known.root)]
    if known is None and os.path.lexists(path):  # no scan has seen it since the catalog was made
        return [_File(path=path, identity=identity, root=None)]
    moved = views.tracks_of(connection, identity)
    return [_File(path=track.path, identity=identity, root=track.root) for track in moved]


def _among(path: bytes, paths: AbstractSet[bytes]) -> bool:
    """Whether a path is one of these, or lies below one."""
    return not paths.isdisjoint(_upwards(path))


def _upwards(path: bytes) -> list[bytes]:
    """The path itself, and every folder that it lies in."""
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) or b"/" for count in range(len(parts), 0, -1)]


def _unmatched(paths: Sequence[bytes], files: Sequence[_File]) -> list[bytes]:
    held = {part for file in files for part in _upwards(file.path)}
    return [path for path in paths if path not in held]


async def _undo(pipeline: Pipeline, file: _File, reporter: Reporter, report: UndoReport) -> None:
    with pipeline.writer.begin() as connection:
        rows = journal.rows_for(connection, file.path, file.identity)
    answer = await pipeline.files.do(jobs.PrepareUndo(file.path, rows, pipeline.policy, file.selected))
    name = os.fsdecode(file.path)
    if isinstance(answer, Failure):
        _not_undone(f"{name}: not undone: {answer.reason} {answer.detail}".rstrip(), reporter, report)
        return
    prepared, left = answer
    if isinstance(prepared, Refused | Dropped):
        _not_undone(f"{name}: not undone: {prepared.reason}", reporter, report)
        return
    if isinstance(prepared, Prepared):
        undoes = _taken_back(of_one_file(rows, file.path, prepared.hash_before), file.selected)
        wrong = await pipeline.carry_out(prepared, JournalKind.UNDO, file.root, undoes)
        if wrong is not None:
            _not_undone(f"{name}: not undone: {wrong.reason}", reporter, report)
            return
        report.undone += 1
        report.partly += bool(left)
    else:
        report.unchanged += 1
    for field, why in left.items():
        reporter.say(f"{name}: {field}: {why}")


def _taken_back(rows: Sequence[JournalRow], selected: Collection[int] | None) -> list[int]:
    """The writes that an undo takes back: with those that are meant all that were before, on which it may rest."""
    writes = (row for row in rows if row.state is JournalState.RENAMED and row.kind is JournalKind.WRITE)
    return [row.id for row in writes if selected is None or row.undone or row.id in selected]


async def _foresee(pipeline: Pipeline, file: _File, reporter: Reporter, report: UndoReport) -> None:
    """What `_undo` would do, said and counted; the file stays untouched."""
    with pipeline.writer.begin() as connection:
        rows = journal.rows_for(connection, file.path, file.identity)
    plan = await pipeline.files.do(jobs.PlanUndo(file.path, rows, pipeline.policy, file.selected))
    name = os.fsdecode(file.path)
    if not isinstance(plan, UndoPlan):
        _not_undone(f"{name}: would not be undone: {plan.reason} {plan.detail}".rstrip(), reporter, report)
        return
    report.undone += plan.comes_back
    report.partly += plan.comes_back and not plan.exact
    report.unchanged += not plan.comes_back
    changed = [edit for edit in plan.fields if edit.old != edit.new]
    for line in (f"{name}: {plan.way}", *map(_change, changed), *_stays(plan.left)):
        reporter.say(line)


def _change(edit: FieldEdit) -> str:
    return f"  {edit.name}: {'; '.join(edit.old) or '-'} -> {'; '.join(edit.new) or '(removed)'}"


def _stays(left: Mapping[str, str]) -> list[str]:
    return [f"  {name} stays: {why}" for name, why in left.items() if name != "undo"]


def _not_undone(why: str, reporter: Reporter, report: UndoReport) -> None:
    report.failed += 1
    reporter.say(why)
