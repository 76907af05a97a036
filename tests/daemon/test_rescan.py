"""A root is compared with the catalog only where one of the two has changed; then nothing is overlooked."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tagger.catalog import engine, store, views
from tagger.daemon.report import ScanCounts
from tagger.daemon.scanner import Scanner
from tagger.library.walk import Found
from tagger.records import Failure, Stage

FAILURE = Failure(stage=Stage.INSPECT, reason="not an audio file")


class Pipeline:
    """Inspects as the real one does a file that is no music, and notes what it was asked to look at."""

    def __init__(self, catalog: Path) -> None:
        self.writer = engine.open_writer(catalog)
        self.dry_run = self.stopping = False
        self.inspected: list[str] = []

    async def inspect(self, found: Found, root: bytes, known: object) -> None:
        self.inspected.append(os.path.basename(os.fsdecode(found.path)))
        with self.writer.begin() as connection:
            store.put_unreadable(connection, found.path, root, found.stat, FAILURE, time.time())

    async def recover(self) -> int:
        return 0

    async def make_durable(self) -> None:
        return


class Silent:
    interactive = False

    def say(self, text: str) -> None:
        return

    def progress(self, done: int, total: int, text: str) -> None:
        return


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    (folder / "album").mkdir(parents=True)
    for name in ("a.mp3", "album/b.mp3", "c.mp3"):
        (folder / name).write_bytes(b"no music")
    return folder


@pytest.fixture
def scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scanner:
    async def nothing_due(self: Scanner, roots: object, limit: object = None) -> None:
        return

    monkeypatch.setattr(Scanner, "work", nothing_due)
    pipeline = Pipeline(tmp_path / "catalog.sqlite")
    return Scanner(pipeline=pipeline, reporter=Silent(), exclude=(), settle_s=0, in_flight=2)  # type: ignore[arg-type]


def scanned(scanner: Scanner, music: Path) -> tuple[int, int, list[str]]:
    """Files seen, files missing, names of those that were looked at."""
    scanner.counts = ScanCounts()
    scanner.pipeline.inspected.clear()  # type: ignore[attr-defined]
    asyncio.run(scanner.scan([os.fsencode(music)]))
    return scanner.counts.seen, scanner.counts.missing, sorted(scanner.pipeline.inspected)  # type: ignore[attr-defined]


def test_what_stands_as_before_is_not_asked_for(scanner: Scanner, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scanned(scanner, music) == (3, 0, ["a.mp3", "b.mp3", "c.mp3"])
    monkeypatch.setattr(views, "standing", None)  # asking for it would fail
    assert scanned(scanner, music) == (3, 0, [])
    assert scanned(scanner, music) == (3, 0, [])


def test_changed_new_moved_and_vanished_files_are_found(scanner: Scanner, music: Path) -> None:
    scanned(scanner, music)
    (music / "c.mp3").write_bytes(b"other bytes")
    assert scanned(scanner, music) == (3, 0, ["c.mp3"])
    (music / "album" / "d.mp3").write_bytes(b"new")
    assert scanned(scanner, music) == (4, 0, ["d.mp3"])
    (music / "a.mp3").rename(music / "z.mp3")
    assert scanned(scanner, music) == (4, 1, ["z.mp3"])
    (music / "c.mp3").unlink()
    assert scanned(scanner, music) == (3, 1, [])
    (music / "album" / "b.mp3").chmod(0o400)
    assert scanned(scanner, music) == (3, 0, ["b.mp3"])


def test_what_the_catalog_forgot_is_looked_at_again(scanner: Scanner, music: Path) -> None:
    scanned(scanner, music)
    with scanner.pipeline.writer.begin() as connection:
        known = views.known_file(connection, os.fsencode(music / "a.mp3"))
        assert known is not None
        store.mark_missing(connection, [known.track_id], time.time())
    assert scanned(scanner, music) == (3, 0, ["a.mp3"])


def test_a_failure_whose_time_has_come_is_tried_again(
    scanner: Scanner, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned(scanner, music)
    later = time.time() + 400 * 86_400
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        assert scanned(scanner, music) == (3, 0, ["a.mp3", "b.mp3", "c.mp3"])


def test_a_folder_that_could_not_be_read_is_looked_at_again(scanner: Scanner, music: Path) -> None:
    scanned(scanner, music)
    real = os.scandir

    def forbidden(path: bytes):  # type: ignore[no-untyped-def]
        if path.endswith(b"album"):
            raise PermissionError
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", forbidden)
        assert scanned(scanner, music) == (2, 0, [])
    (music / "album" / "b.mp3").unlink()
    assert scanned(scanner, music) == (2, 1, [])
