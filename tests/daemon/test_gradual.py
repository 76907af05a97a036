"""A daemon that listens for long answers in the meantime; and one that gets another bundle forgets nothing."""

import asyncio
import itertools
import os
import shutil
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagger import settings as settings_of_file
from tagger.catalog import engine, views
from tagger.catalog.views import Filters
from tagger.daemon import service, serving
from tagger.daemon.pipeline import StoppingError
from tagger.daemon.report import ScanCounts
from tagger.daemon.session import opened, stoppable
from tagger.records import Selection
from tagger.settings import Settings
from tests import bundles
from tests.audio import music

MANY, FEW = 60, 6


class Quiet:
    """Keeps what is said."""

    interactive = False

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, done: int, total: int, text: str) -> None:
        return

    def confirm(self, text: str) -> bool:
        return True


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Bundles that are sure of themselves and of different minds."""
    folder = tmp_path_factory.mktemp("bundles")
    paths = folder / "one.safetensors", folder / "two.safetensors"
    for number, path in enumerate(paths, start=1):
        bundles.untrained(path, seed=number, temperature=0.005, version=str(number))
    return paths


@pytest.fixture
def settings(tmp_path: Path, two: tuple[Path, Path]) -> Settings:
    (tmp_path / "music").mkdir()
    shipped = settings_of_file.load(None, {"HOME": str(tmp_path)})
    return replace(
        shipped,
        roots=(tmp_path / "music",),
        settle_s=0.3,
        catalog=tmp_path / "state" / "catalog.sqlite",
        bundle=two[0],
        file_workers=1,
        in_flight=2,
    )


def make(folder: Path, count: int) -> None:
    """So many recordings that differ, an hour old."""
    sound = (music(2.5 + count * 0.05, 22_050)[:, 0] * 32_000).astype("<i2")
    for number in range(count):
        path = folder / f"{number:03}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 22_050, 0, "NONE", ""))
            part = sound[number * 1_100 : number * 1_100 + 55_000]
            file.writeframes(np.ascontiguousarray(part[:: -1 if number % 2 else 1]).tobytes())
        os.utime(path, (time.time() - 3_600,) * 2)


@asynccontextmanager
async def daemon(settings: Settings, reporter: Quiet) -> AsyncIterator[None]:
    """One that runs in this process; its workers are real ones."""
    stopped = asyncio.Event()
    async with opened(settings, reporter) as pipeline:
        scanner = service._scanner(settings, pipeline, reporter)
        roots = tuple(os.fsencode(root) for root in settings.roots)
        async with stoppable(pipeline, stopped.set):
            serves = asyncio.create_task(serving.serve(settings, scanner, roots, reporter, stopped))
            try:
                yield
            finally:
                pipeline.stopping = True
                stopped.set()
                with pytest.raises(StoppingError):
                    await serves


def ask(settings: Settings, question: Callable[..., Any], *words: Any) -> Any:
    with engine.open_reader(settings.catalog).connect() as connection:
        return question(connection, *words)


def heard(settings: Settings) -> dict[str, str | None]:
    """Tracks, and the bundle whose answer is shown."""
    rows = ask(settings, views.find, Filters(), None)
    return {os.path.basename(os.fsdecode(row.path)): row.bundle_id for row in rows}


def count(settings: Settings) -> int:
    return sum(bundle is not None for bundle in heard(settings).values())


async def until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


@pytest.mark.timeout(400)
def test_requests_and_fresh_files_do_not_wait_for_the_first_scan(settings: Settings) -> None:
    folder, reporter = settings.roots[0], Quiet()
    make(folder, MANY)
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    fresh = folder.parent / "fresh.wav"
    fresh.write_bytes(old["000.wav"] + b"LIST\4\0\0\0INFO")

    async def run() -> None:
        async with daemon(settings, reporter):
            await until(lambda: settings.catalog.with_name("control.sock").exists() and count(settings) > 3)
            path = os.fsencode(folder / "000.wav")
            undone = await asyncio.to_thread(service.undo, settings, [path], Selection(), reporter, dry_run=False)
            assert (undone.undone, count(settings) < MANY) == (1, True)
            assert (folder / "000.wav").read_bytes() == old["000.wav"]
            written = await asyncio.to_thread(service.write, settings, [path], reporter, again=True)
            assert (written.written, count(settings) < MANY) == (1, True)
            shutil.copy(fresh, folder / "zzz.wav")
            await until(lambda: heard(settings).get("zzz.wav") is not None)
            assert count(settings) < MANY
            undone = await asyncio.to_thread(service.undo, settings, [path], Selection(), reporter, dry_run=False)
            assert (undone.undone, count(settings) < MANY) == (1, True)
            await until(lambda: any(text.startswith("scanned: ") for text in reporter.said))

    asyncio.run(run())
    (said,) = (text for text in reporter.said if text.startswith("scanned: "))
    counts = {name: int(number) for number, name in (part.split() for part in said[9:].split(";")[0].split(", "))}
    assert [counts[name] for name in ("seen", "analyzed", "written")] == [MANY] * 3
    assert (folder / "000.wav").read_bytes() == old["000.wav"]
    undone = service.undo(settings, None, Selection(), reporter, dry_run=False)
    assert (undone.undone, undone.failed, undone.partly) == (MANY, 0, 0)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in old} == old


# --- another bundle ---------------------------------------------------------------------------------------------------


def scanned(settings: Settings) -> ScanCounts:
    return service.scan(settings, (), Quiet(), dry_run=False, yes=True)


def verdicts(settings: Settings) -> dict[str, tuple[object, ...]]:
    """Of each track: what was heard, and whether it passes the gates."""
    rows = ask(settings, views.find, Filters(), None)
    return {
        os.fsdecode(row.path): (
            row.genre,
            row.mood,
            row.genre_confidence >= (0.7 if row.genre == "disco" else 0.5),
            row.mood_confidence >= 0.5,
        )
        for row in rows
    }


@pytest.mark.timeout(400)
def test_another_bundle_rewrites_only_what_it_hears_differently(
    settings: Settings, two: tuple[Path, Path], tmp_path: Path
) -> None:
    make(settings.roots[0], FEW)
    assert scanned(settings).written == FEW
    before = verdicts(settings)
    same = tmp_path / "same.safetensors"
    bundles.untrained(same, seed=1, temperature=0.005, version="of another name")
    counts = scanned(replace(settings, bundle=same))
    assert (counts.analyzed, counts.written) == (FEW, 0)
    counts = scanned(replace(settings, bundle=two[1]))
    changed = sum(before[path] != verdict for path, verdict in verdicts(settings).items())
    assert (counts.analyzed, counts.written) == (FEW, changed)
    assert changed > 0
    with engine.open_reader(settings.catalog).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM analyses").scalar_one() == FEW


@pytest.mark.timeout(400)
def test_what_was_written_can_stay_and_what_was_not_is_written(settings: Settings, two: tuple[Path, Path]) -> None:
    make(settings.roots[0], FEW)
    last = settings.roots[0] / f"{FEW - 1:03}.wav"
    hidden = last.rename(settings.roots[0].parent / last.name)
    assert scanned(settings).written == FEW - 1
    before = {path: path.read_bytes() for path in settings.roots[0].iterdir()}
    hidden.rename(last)
    stays = replace(settings, bundle=two[1], rewrite=False)
    counts = scanned(stays)
    assert (counts.analyzed, counts.written) == (FEW, 1)
    assert {path: path.read_bytes() for path in before} == before
    assert scanned(stays).written == 0
    again = next(path for path in before)
    assert service.write(stays, [os.fsencode(again)], Quiet(), again=True).written == 1
    assert scanned(replace(stays, rewrite=True)).written > 0


def test_a_running_daemon_takes_the_bundle_and_always_has_an_answer(settings: Settings, two: tuple[Path, Path]) -> None:
    make(settings.roots[0], FEW)
    reporter = Quiet()
    seen: list[dict[str, str | None]] = []

    def all_by(version: int) -> bool:
        seen.append(heard(settings))
        return len(seen[-1]) == FEW and all(f"-{version}-" in (one or "") for one in seen[-1].values())

    async def run() -> None:
        async with daemon(settings, reporter):
            await until(lambda: settings.catalog.exists() and any("scanned" in text for text in reporter.said))
            assert all_by(1)
            seen.clear()
            other = replace(settings, bundle=two[1], rewrite=False)
            assert await asyncio.to_thread(service.use, other, reporter)
            await until(lambda: all_by(2))

    asyncio.run(run())
    assert all(None not in answers.values() and len(answers) == FEW for answers in seen)
    numbers = [sum("-2-" in (one or "") for one in answers.values()) for answers in seen]
    assert numbers == sorted(numbers)
    assert len(set(itertools.chain(numbers))) > 2
    assert not service.use(settings, reporter)
    assert (
        asdict(service.scan(replace(settings, bundle=two[1], rewrite=False), (), reporter, dry_run=False, yes=True))[
            "written"
        ]
        == 0
    )
