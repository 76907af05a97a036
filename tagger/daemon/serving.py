"""The daemon's life: a first scan and those after it, events, requests; one at a time, the scans giving way."""

import asyncio
import gc
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from tagger.catalog import store, views
from tagger.daemon import control, session, undoing
from tagger.daemon.pipeline import StoppingError
from tagger.daemon.report import Reporter, ScanCounts
from tagger.daemon.scanner import Scanner
from tagger.daemon.turns import REQUEST_S, Turn, Turns
from tagger.library import watch
from tagger.library.settle import Settling
from tagger.library.walk import Walk, is_audio, passed_over
from tagger.library.watch import BaseObserver
from tagger.records import Selection
from tagger.settings import Settings

_RESCAN = b""
"""Posted in place of a path: everything is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Daemon:
    """What its parts share: they take turns, so that no two of them work at once."""

    settings: Settings
    scanner: Scanner
    roots: Sequence[bytes]
    stopped: asyncio.Event
    turns: Turns = field(default_factory=Turns)
    events: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    rescan: asyncio.Event = field(default_factory=asyncio.Event)  # a scan is wanted, or the end has come

    def helper(self, turn: Turn) -> Scanner:
        """A scanner for one turn, with counts of its own."""
        return replace(self.scanner, turn=turn, counts=ScanCounts())


async def serve(
    settings: Settings, scanner: Scanner, roots: Sequence[bytes], reporter: Reporter, stopped: asyncio.Event
) -> None:
    """Watches from before the first scan on, so that nothing falls between. Raises StoppingError when `stopped` is set.

    Scans, events and requests go on side by side, in turns.
    """
    loop = asyncio.get_running_loop()
    daemon = _Daemon(settings=settings, scanner=scanner, roots=roots, stopped=stopped)

    def post(path: bytes) -> None:
        loop.call_soon_threadsafe(daemon.events.put_nowait, path)

    observer = _watched(roots, post, reporter)
    scheduler = AsyncIOScheduler()
    scheduler.add_job(post, "interval", args=[_RESCAN], minutes=settings.rescan_minutes)
    server = await control.listen(settings.catalog, _handler(daemon))
    scheduler.start()
    try:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(_scan(daemon))
            parts.create_task(_watch(daemon))
        async with Turn(daemon.turns):  # a request that is at work ends its step
            raise StoppingError
    except ExceptionGroup as errors:  # one part failed, and the other was ended for it
        raise errors.exceptions[0] from errors
    finally:
        scheduler.shutdown(wait=False)
        if observer is not None:
            observer.stop()
        server.close()
        control.close(settings.catalog)


def _watched(roots: Sequence[bytes], post: Callable[[bytes], None], reporter: Reporter) -> BaseObserver | None:
    """Watching is quicker than scanning, never needed: where it cannot be had, the periodic scan finds all."""
    try:
        return watch.start([root for root in roots if os.path.isdir(root)], post)
    except OSError as error:
        reporter.say(f"cannot watch for changes ({error.strerror}); they are found by the periodic scan")
        return None


async def write(scanner: Scanner, paths: Sequence[bytes], *, again: bool) -> ScanCounts:
    """Decides on, and writes, what is known and waits for it; with paths, those files or what lies below those folders.

    Listening is a scan's.
    """
    if again:
        undoing.lift(scanner.pipeline, paths)
    with scanner.pipeline.writer.begin() as connection:
        roots = views.roots(connection)
    await scanner.decide(paths or roots)
    return scanner.counts


def _handler(daemon: _Daemon) -> control.Handler:
    async def handle(request: dict[str, Any], reporter: Reporter) -> dict[str, int]:
        async with Turn(daemon.turns, REQUEST_S) as turn:
            scanner = daemon.helper(turn)
            if request["do"] == "prune":
                return asdict(undoing.prune(scanner.pipeline.writer, request["before"]))
            if request["do"] == "use":
                await _use(daemon, request["bundle"], rewrite=request["rewrite"])
                return {}
            paths = control.as_paths(request["paths"])
            if request["do"] == "undo":
                selection, dry_run = Selection(**request["selection"]), request["dry_run"]
                report = await undoing.undo(scanner.pipeline, paths, selection, reporter, dry_run=dry_run, turn=turn)
                return asdict(report)
            return asdict(await write(scanner, paths or (), again=request["again"]))

    return handle


async def _use(daemon: _Daemon, bundle: str | None, *, rewrite: bool) -> None:
    """Another bundle; a scan that is under way goes on with it, and the next one listens to the rest."""
    path = None if bundle is None else Path(os.fsdecode(control.as_path(bundle)))
    await session.switch(daemon.scanner.pipeline, replace(daemon.settings, bundle=path, rewrite=rewrite))
    daemon.rescan.set()


async def _scan(daemon: _Daemon) -> None:
    """The first scan, then one whenever it is asked for, until the end."""
    with suppress(StoppingError):
        counts = await _scanned(daemon)
        gc.collect()
        gc.freeze()  # what stands now lives as long as the daemon: no rescan's garbage collection looks at it again
        daemon.scanner.reporter.say(f"scanned: {_words(counts)}; watching")
        while not daemon.stopped.is_set():
            await daemon.rescan.wait()
            daemon.rescan.clear()
            _tell(daemon, await _scanned(daemon))


async def _scanned(daemon: _Daemon) -> ScanCounts:
    async with Turn(daemon.turns) as turn:
        counts = await daemon.helper(turn).scan(daemon.roots)
        with daemon.scanner.pipeline.writer.begin() as connection:
            store.prune_missing(connection, time.time() - daemon.settings.prune_days * 86_400)
        return counts


async def _watch(daemon: _Daemon) -> None:
    """Takes files as they settle, and lets the workers go where nobody works, until the end."""
    settings = daemon.settings
    settling = Settling(settings.settle_s)
    with suppress(StoppingError):
        while not daemon.stopped.is_set():
            pause_s = 0.5 if len(settling) else 1.0
            if await _gather(daemon.events, settling, daemon.roots, settings, pause_s=pause_s):
                daemon.rescan.set()
            ready = [path for path in settling.ready(time.monotonic()) if daemon.scanner.is_news(path)]
            if ready:
                await _take(daemon, ready)
            elif daemon.turns.idle_s() >= settings.idle_s:
                async with Turn(daemon.turns):
                    await daemon.scanner.pipeline.close()
    daemon.rescan.set()


async def _take(daemon: _Daemon, ready: Sequence[bytes]) -> None:
    """Files that have settled: they are taken, and what is due of them is done."""
    async with Turn(daemon.turns, REQUEST_S) as turn:
        scanner = daemon.helper(turn)
        for path in ready:
            root = next((root for root in daemon.roots if path.startswith(root.rstrip(b"/") + b"/")), None)
            if root is not None:
                await scanner.take(path, root)
                await turn.give_way()
        await scanner.work_on(ready)
    _tell(daemon, scanner.counts)


async def _gather(
    events: "asyncio.Queue[bytes]", settling: Settling, roots: Sequence[bytes], settings: Settings, *, pause_s: float
) -> bool:
    """Takes what was posted, for at most `pause_s`; whether a rescan is asked for."""
    rescan = False
    until = time.monotonic() + pause_s
    with suppress(TimeoutError):
        while (left := until - time.monotonic()) > 0:
            path = await asyncio.wait_for(events.get(), left)
            if path == _RESCAN:
                rescan = True
            elif os.path.isdir(path):  # moved in whole: its files make no events of their own
                for found in Walk(root=path, exclude=settings.exclude).files():
                    settling.add(found.path, time.monotonic())
            elif is_audio(path) and passed_over(path, roots, settings.exclude) is None:
                settling.add(path, time.monotonic())
            elif not os.path.lexists(path) and not is_audio(path):  # a folder that went with all that was in it
                rescan = rescan or _was_folder(path)
    return rescan


def _was_folder(path: bytes) -> bool:
    return not os.path.splitext(path)[1] and not os.path.basename(path).startswith(b".")


def _tell(daemon: _Daemon, counts: ScanCounts) -> None:
    if counts.written or counts.failed:
        daemon.scanner.reporter.say(_words(counts))


def _words(counts: ScanCounts) -> str:
    return ", ".join(f"{number} {name}" for name, number in asdict(counts).items() if number) or "nothing new"
