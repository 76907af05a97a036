"""All that a command needs which may write: lock, catalog, workers, pipeline; opened together, closed together."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tagger.analysis.header import BundleHeader, default_bundle, read_header, verify
from tagger.catalog import engine, store
from tagger.daemon import lock
from tagger.daemon.pipeline import Pipeline, StoppingError
from tagger.daemon.policy import policy_of
from tagger.daemon.report import Reporter
from tagger.daemon.workers import FileWorkers, ModelWorker
from tagger.records import TaggerError
from tagger.settings import Settings

MOST_FILE_WORKERS = 4
"""By default; more only compete for the disk."""
STOP_S = 8.0
"""How long work under way may take to end after SIGTERM."""


def running_elsewhere(catalog: Path) -> str:
    pid = lock.holder(catalog)
    return f"tagger is running on {catalog} (process {pid or 'unknown'})"


@asynccontextmanager
async def opened(settings: Settings, reporter: Reporter, *, dry_run: bool = False) -> AsyncIterator[Pipeline]:
    """A pipeline over the settings' catalog and bundle, after recovery.

    Raises TaggerError before anything is touched where the bundle is no good or another instance runs.
    """
    path, header = bundle_of(settings)
    held = lock.acquire(settings.catalog)
    if held is None:
        raise TaggerError(f"{running_elsewhere(settings.catalog)}; stop it first")
    try:
        writer = engine.open_writer(settings.catalog)
        try:
            pipeline = _pipeline(settings, writer, path, header, held, dry_run=dry_run)
            try:
                with writer.begin() as connection:
                    store.put_bundle(connection, header.id, header.name, header.version, header.labels, header.card)
                if open_rows := await pipeline.recover():
                    reporter.say(
                        f"{open_rows} writes of the last run were cut off; each file was looked at and settled"
                    )
                yield pipeline
            finally:
                await pipeline.close()
        finally:
            writer.close()
    finally:
        held.release()


def bundle_of(settings: Settings) -> tuple[Path, BundleHeader]:
    """The bundle to listen with, its content verified. Raises TaggerError."""
    path = settings.bundle or default_bundle()
    header = read_header(path)
    verify(path, header)
    return path, header


async def switch(pipeline: Pipeline, settings: Settings) -> None:
    """The pipeline listens with the settings' bundle from now on. Raises TaggerError where it is no good."""
    path, header = bundle_of(settings)
    await pipeline.model.use(str(path))
    pipeline.header, pipeline.policy = header, policy_of(settings, header)
    with pipeline.writer.begin() as connection:
        store.put_bundle(connection, header.id, header.name, header.version, header.labels, header.card)


def file_workers(settings: Settings) -> int:
    return settings.file_workers or min(os.cpu_count() or 1, MOST_FILE_WORKERS)


def _pipeline(
    settings: Settings, writer: engine.Writer, path: Path, header: BundleHeader, held: lock.Lock, *, dry_run: bool
) -> Pipeline:
    inherited = (held.fd,)
    timeout_s = settings.job_timeout_s
    return Pipeline(
        writer=writer,
        files=FileWorkers(
            file_workers(settings), memory_mb=settings.worker_memory_mb, timeout_s=timeout_s, inherited=inherited
        ),
        model=ModelWorker(
            str(path), settings.device, batch=settings.in_flight, timeout_s=timeout_s, inherited=inherited
        ),
        header=header,
        policy=policy_of(settings, header),
        dry_run=dry_run,
    )


@asynccontextmanager
async def stoppable(pipeline: Pipeline, on_stop: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """While inside, a signal stops new work; what is past its journal row completes, the rest is given up.

    Raises StoppingError at the next step of the work. A second signal, or STOP_S seconds, end it at once.
    """
    loop = asyncio.get_running_loop()
    current = asyncio.current_task()
    assert current is not None

    def stop() -> None:
        if pipeline.stopping:
            current.cancel()
            return
        pipeline.stopping = True
        on_stop()
        loop.call_later(STOP_S, current.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not pipeline.stopping:
            raise
        raise StoppingError from None
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
