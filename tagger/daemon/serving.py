"""The daemon's life after its first scan: events, the periodic rescan, requests; one thing at a time."""

import asyncio
import gc
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from tagger.catalog import store, views
from tagger.daemon import control, undoing
from tagger.daemon.pipeline import StoppingError
from tagger.daemon.report import Reporter, ScanCounts
from tagger.daemon.scanner import Scanner
from tagger.library import watch
from tagger.library.settle import Settling
from tagger.library.walk import Walk, is_audio, passed_over
from tagger.library.watch import BaseObserver
from tagger.records import Selection
from tagger.settings import Settings

_RESCAN = b""
"""Posted in place of a path: everything is looked at again."""


async def serve(
    settings: Settings, scanner: Scanner, roots: Sequence[bytes], reporter: Reporter, stopped: asyncio.Event
) -> None:
    """Watches from before the first scan on, so that nothing falls between; returns when `stopped` is set."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[bytes] = asyncio.Queue()
    at_work = asyncio.Lock()

    def post(path: bytes) -> None:
        loop.call_soon_threadsafe(events.put_nowait, path)

    observer = _watched(roots, post, reporter)
    scheduler = AsyncIOScheduler()
    scheduler.add_job(post, "interval", args=[_RESCAN], minutes=settings.rescan_minutes)
    server = await control.listen(settings.catalog, _handler(scanner, at_work))
    scheduler.start()
    try:
        async with at_work:
            counts = await scanner.scan(roots)
        await scanner.pipeline.close()
        gc.collect()
        gc.freeze()  # what stands now lives as long as the daemon: no rescan's garbage collection looks at it again
        reporter.say(f"scanned: {_words(counts)}; watching")
        await _watch(settings, scanner, roots, events, at_work, stopped)
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
    """Decides, and writes, whatever waits for it; with paths, those files or what lies below those folders."""
    if again:
        undoing.lift(scanner.pipeline, paths)
    scanner.counts = ScanCounts()
    with scanner.pipeline.writer.begin() as connection:
        roots = views.roots(connection)
    await scanner.work(paths or roots)
    return scanner.counts


def _handler(scanner: Scanner, at_work: asyncio.Lock) -> control.Handler:
    async def handle(request: dict[str, Any], reporter: Reporter) -> dict[str, int]:
        async with at_work:
            if request["do"] == "prune":
                return asdict(undoing.prune(scanner.pipeline.writer, request["before"]))
            paths = control.as_paths(request["paths"])
            if request["do"] == "undo":
                selection, dry_run = Selection(**request["selection"]), request["dry_run"]
                return asdict(await undoing.undo(scanner.pipeline, paths, selection, reporter, dry_run=dry_run))
            return asdict(await write(scanner, paths or (), again=request["again"]))

    return handle


async def _watch(
    settings: Settings,
    scanner: Scanner,
    roots: Sequence[bytes],
    events: "asyncio.Queue[bytes]",
    at_work: asyncio.Lock,
    stopped: asyncio.Event,
) -> None:
    settling = Settling(settings.settle_s)
    idle_since = time.monotonic()
    while not stopped.is_set():
        rescan = await _gather(events, settling, roots, settings, pause_s=0.5 if len(settling) else 1.0)
        ready = settling.ready(time.monotonic())
        if rescan or ready:
            async with at_work:
                await _work(scanner, roots, ready, settings, rescan=rescan)
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since >= settings.idle_s:
            async with at_work:
                await scanner.pipeline.close()
            idle_since = float("inf")
    raise StoppingError


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


async def _work(
    scanner: Scanner, roots: Sequence[bytes], ready: Sequence[bytes], settings: Settings, *, rescan: bool
) -> None:
    scanner.counts = ScanCounts()
    if rescan:
        await scanner.scan(roots)
        with scanner.pipeline.writer.begin() as connection:
            store.prune_missing(connection, time.time() - settings.prune_days * 86_400)
    for path in ready:
        root = next((root for root in roots if path.startswith(root.rstrip(b"/") + b"/")), None)
        if root is not None:
            await scanner.take(path, root)
    if ready:
        await scanner.work(roots)
    if scanner.counts.written or scanner.counts.failed:
        scanner.reporter.say(_words(scanner.counts))


def _words(counts: ScanCounts) -> str:
    return ", ".join(f"{number} {name}" for name, number in asdict(counts).items() if number) or "nothing new"
