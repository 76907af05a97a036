"""Undo and `write --again`, file by file, in the pipeline of a daemon or of a command by itself."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tagger.catalog import journal, store, views
from tagger.catalog.engine import Connection
from tagger.daemon import jobs
from tagger.daemon.pipeline import Pipeline
from tagger.daemon.report import Reporter, UndoReport
from tagger.records import Dropped, Failure, JournalKind, Prepared, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file that was written: where it lies now, and its root where it is a track."""

    path: bytes
    identity: str
    root: bytes | None


async def undo(pipeline: Pipeline, paths: Sequence[bytes] | None, reporter: Reporter) -> UndoReport:
    """Takes back every write to these files, or below these folders; None: to all files. One never holds up another."""
    report = UndoReport()
    files = _written(pipeline, paths)
    for path in _unmatched(paths or (), files):
        reporter.say(f"{os.fsdecode(path)}: tagger never wrote to it")
        report.unchanged += 1
    for number, file in enumerate(files, start=1):
        await _undo(pipeline, file, reporter, report)
        reporter.progress(number, len(files), "undo")
    return report


def lift(pipeline: Pipeline, paths: Sequence[bytes]) -> None:
    """`write --again`: the vetoes of these tracks are gone, and they are decided anew."""
    with pipeline.writer.begin() as connection:
        for root in views.roots(connection):
            for known in views.known_files(connection, root):
                if _among(known.path, paths):
                    journal.lift_vetoes(connection, known.path, known.identity)
                    store.forget_decision(connection, known.track_id)


def _written(pipeline: Pipeline, paths: Sequence[bytes] | None) -> list[_File]:
    """The files of the journal, each where it lies now."""
    found: dict[bytes, _File] = {}
    with pipeline.writer.begin() as connection:
        for path, identity in journal.written_files(connection):
            for now in _places(connection, path, identity):
                if paths is None or _among(now.path, paths):
                    found[now.path] = now
    return list(found.values())


def _places(connection: Connection, path: bytes, identity: str) -> list[_File]:
    known = views.known_file(connection, path)
    if known is not None and not known.missing and known.identity == identity:
        return [_File(path=path, identity=identity, root=known.root)]
    if known is None and os.path.lexists(path):  # no scan has seen it since the catalog was made
        return [_File(path=path, identity=identity, root=None)]
    moved = views.tracks_of(connection, identity)
    return [_File(path=track.path, identity=identity, root=track.root) for track in moved]


def _among(path: bytes, paths: Sequence[bytes]) -> bool:
    return any(path == one or path.startswith(one.rstrip(b"/") + b"/") for one in paths)


def _unmatched(paths: Sequence[bytes], files: Sequence[_File]) -> list[bytes]:
    return [path for path in paths if not any(_among(file.path, [path]) for file in files)]


async def _undo(pipeline: Pipeline, file: _File, reporter: Reporter, report: UndoReport) -> None:
    with pipeline.writer.begin() as connection:
        rows = journal.rows_for(connection, file.path, file.identity)
    answer = await pipeline.files.do(jobs.PrepareUndo(file.path, rows, pipeline.policy))
    name = os.fsdecode(file.path)
    if isinstance(answer, Failure):
        report.failed += 1
        reporter.say(f"{name}: not undone: {answer.reason} {answer.detail}".rstrip())
        return
    prepared, left = answer
    if isinstance(prepared, Refused | Dropped):
        report.failed += 1
        reporter.say(f"{name}: not undone: {prepared.reason}")
        return
    if isinstance(prepared, Prepared):
        if not await pipeline.carry_out(prepared, JournalKind.UNDO, file.root):
            report.failed += 1
            reporter.say(f"{name}: not undone: it changed meanwhile")
            return
        report.undone += 1
        report.partly += bool(left)
    else:
        report.unchanged += 1
    for field, why in left.items():
        reporter.say(f"{name}: {field}: {why}")
