"""How the two files stand on the disk."""

import sqlite3
from pathlib import Path

import pytest

from tagger.catalog import engine


@pytest.mark.parametrize("name", ["catalog.sqlite", "journal.sqlite"])
def test_both_files_are_in_wal_mode(tmp_path: Path, name: str) -> None:
    """Else every commit waits for the disk twice, and readers wait for the daemon."""
    engine.open_writer(tmp_path / "catalog.sqlite").close()
    connection = sqlite3.connect(tmp_path / name)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()
