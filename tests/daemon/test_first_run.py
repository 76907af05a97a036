"""Before the first write into a library its owner is told, and on a terminal asked; no is no."""

import asyncio
from pathlib import Path

import pytest

from tagger.catalog import engine, store, views
from tagger.daemon import first_run
from tagger.daemon.report import Reporter, ScanCounts
from tagger.daemon.scanner import Scanner
from tagger.records import Policy, TaggerError


class Terminal:
    """Somebody who answers."""

    def __init__(self, answer: bool) -> None:
        self.interactive = True
        self.said: list[str] = []
        self._answer = answer

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, done: int, total: int, text: str) -> None:
        return

    def confirm(self, text: str) -> bool:
        self.said.append(text)
        return self._answer


class Pipeline:
    """As much of one as looking at an empty library needs."""

    def __init__(self, catalog: Path) -> None:
        self.writer = engine.open_writer(catalog)
        self.policy = Policy()
        self.dry_run = False


def announced(tmp_path: Path, reporter: Reporter, *, yes: bool = False, dry_run: bool = False) -> engine.Writer:
    catalog = tmp_path / "catalog.sqlite"
    pipeline = Pipeline(catalog)
    pipeline.dry_run = dry_run
    scanner = Scanner(pipeline=pipeline, reporter=reporter, exclude=(), settle_s=0, in_flight=1)  # type: ignore[arg-type]

    async def looked(roots: object, limit: object = None) -> ScanCounts:
        return ScanCounts()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scanner, "scan", lambda self, roots, limit=None: looked(roots, limit))
        asyncio.run(first_run.announce(scanner, [bytes(tmp_path)], catalog, reporter, yes=yes))
    return pipeline.writer


def test_no_is_no_and_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"x")
    for _ in range(2):
        terminal = Terminal(answer=False)
        with pytest.raises(TaggerError, match="nothing was written"):
            announced(tmp_path, terminal)
        text = "\n".join(terminal.said)
        for told in ("1 audio files", "modification time", "sync", "tagger undo --all", "journal.sqlite"):
            assert told in text


def test_yes_is_said_once(tmp_path: Path) -> None:
    terminal = Terminal(answer=True)
    writer = announced(tmp_path, terminal)
    assert terminal.said[-1].startswith("Write these tags")
    with writer.begin() as connection:
        store.put_root(connection, bytes(tmp_path), 1)
        assert not views.was_scanned(connection, bytes(tmp_path))
        store.root_scanned(connection, bytes(tmp_path), 1.0)
    writer.close()
    later = Terminal(answer=False)
    announced(tmp_path, later)
    assert later.said == []


@pytest.mark.parametrize("quiet", [{"yes": True}, {"dry_run": True}])
def test_nobody_is_asked_with_yes_or_for_a_dry_run(tmp_path: Path, quiet: dict[str, bool]) -> None:
    terminal = Terminal(answer=False)
    announced(tmp_path, terminal, **quiet)
    assert not any(text.startswith("Write these") for text in terminal.said)
