"""What the commands call: serve, scan, undo, write."""

import asyncio
import gc
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tagger.catalog import engine
from tagger.daemon import control, first_run, lock, serving, undoing
from tagger.daemon.pipeline import Pipeline, StoppingError
from tagger.daemon.report import PruneReport, Reporter, ScanCounts, UndoReport
from tagger.daemon.scanner import Scanner
from tagger.daemon.session import opened, running_elsewhere, stoppable
from tagger.records import Selection, TaggerError
from tagger.settings import Settings


def serve(settings: Settings, folders: Sequence[Path], reporter: Reporter, *, yes: bool) -> None:
    """Scans, then watches, until a signal comes. Raises TaggerError where it cannot start."""

    async def work() -> None:
        async with opened(settings, reporter) as pipeline:
            scanner = _scanner(settings, pipeline, reporter)
            roots = _roots(settings, folders)
            _warn(settings, roots, reporter)
            stopped = asyncio.Event()
            async with stoppable(pipeline, stopped.set):
                await first_run.announce(scanner, roots, settings.catalog, reporter, yes=yes)
                await serving.serve(settings, scanner, roots, reporter, stopped)

    _until_stopped(work())


def scan(settings: Settings, folders: Sequence[Path], reporter: Reporter, *, dry_run: bool, yes: bool) -> ScanCounts:
    """One pass. Raises TaggerError where another instance runs, or the user says no."""
    counts = ScanCounts()

    async def work() -> None:
        async with opened(settings, reporter, dry_run=dry_run) as pipeline:
            scanner = _scanner(settings, pipeline, reporter)
            scanner.counts = counts
            roots = _roots(settings, folders)
            _warn(settings, roots, reporter)
            async with stoppable(pipeline):
                await first_run.announce(scanner, roots, settings.catalog, reporter, yes=yes)
                await scanner.scan(roots)

    _until_stopped(work())
    return counts


def undo(
    settings: Settings, paths: Sequence[bytes] | None, selection: Selection, reporter: Reporter, *, dry_run: bool
) -> UndoReport:
    """Takes writes back, in the running daemon where there is one; `dry_run`: only says what would come back."""
    if lock.holder(settings.catalog) is not None:
        request = {
            "do": "undo",
            "paths": control.as_text(paths),
            "selection": asdict(selection),
            "dry_run": dry_run,
        }
        return UndoReport(**control.ask(settings.catalog, request, reporter))
    _must_exist(settings)

    async def work() -> UndoReport:
        async with opened(settings, reporter) as pipeline, stoppable(pipeline):
            return await undoing.undo(pipeline, paths, selection, reporter, dry_run=dry_run)

    return _until_stopped(work()) or UndoReport()


def prune(settings: Settings, before: str, reporter: Reporter) -> PruneReport:
    """Removes the undo records from before a time (ISO 8601, UTC), in the running daemon where there is one."""
    if lock.holder(settings.catalog) is not None:
        request = {"do": "prune", "before": before}
        return PruneReport(**control.ask(settings.catalog, request, reporter))
    _must_exist(settings)
    held = lock.acquire(settings.catalog)
    if held is None:
        raise TaggerError(f"{running_elsewhere(settings.catalog)}; ask again")
    try:
        with closing(engine.open_writer(settings.catalog)) as writer:
            return undoing.prune(writer, before)
    finally:
        held.release()


def use(settings: Settings, reporter: Reporter) -> bool:
    """Has a running daemon listen with the bundle of these settings; False where none runs.

    Raises TaggerError where it does not take it.
    """
    if lock.holder(settings.catalog) is None:
        return False
    bundle = None if settings.bundle is None else os.fsencode(settings.bundle).hex()
    control.ask(settings.catalog, {"do": "use", "bundle": bundle, "rewrite": settings.rewrite}, reporter)
    return True


def write(settings: Settings, paths: Sequence[bytes], reporter: Reporter, *, again: bool) -> ScanCounts:
    """Writes what is known and pending; `again` lifts the vetoes of `paths` first."""
    if lock.holder(settings.catalog) is not None:
        request = {"do": "write", "paths": control.as_text(paths), "again": again}
        return ScanCounts(**control.ask(settings.catalog, request, reporter))
    _must_exist(settings)

    async def work() -> ScanCounts:
        async with opened(settings, reporter) as pipeline, stoppable(pipeline):
            return await serving.write(_scanner(settings, pipeline, reporter), paths, again=again)

    return _until_stopped(work()) or ScanCounts()


def _until_stopped(work: Any) -> Any:
    """Runs to the end, or to a signal's: stopping in order is no error."""
    gc.set_threshold(100_000, 20, 50)  # a scan makes many tuples and no cycles: a quarter of its time was collecting
    try:
        return asyncio.run(work)
    except StoppingError:
        return None


def _scanner(settings: Settings, pipeline: Pipeline, reporter: Reporter) -> Scanner:
    return Scanner(
        pipeline=pipeline,
        reporter=reporter,
        exclude=settings.exclude,
        settle_s=settings.settle_s,
        in_flight=settings.in_flight,
    )


def _roots(settings: Settings, folders: Sequence[Path]) -> tuple[bytes, ...]:
    """The folders of this run; one that lies in another is scanned with it."""
    wanted = sorted({os.fsencode(folder) for folder in folders or settings.roots})
    return tuple(root for root in wanted if not any(root.startswith(other.rstrip(b"/") + b"/") for other in wanted))


def _warn(settings: Settings, roots: Sequence[bytes], reporter: Reporter) -> None:
    """Of folders in `library.read_only` that keep nothing from being written: mistyped, perhaps."""
    library = [os.path.realpath(root) for root in (*roots, *map(os.fsencode, settings.roots))]
    for folder in settings.read_only:
        place = os.path.realpath(os.fsencode(folder))
        if not os.path.isdir(place):
            reporter.say(f"library.read_only: {folder} does not exist")
        elif not any(os.path.commonpath((place, root)) in (place, root) for root in library):
            reporter.say(f"library.read_only: {folder} lies in none of the folders of the library, nor they in it")


def _must_exist(settings: Settings) -> None:
    if not settings.catalog.exists() and not settings.catalog.with_name("journal.sqlite").exists():
        raise TaggerError(f"no catalog at {settings.catalog}: make one with `tagger scan FOLDER`")
