"""How the two files stand on the disk."""

import sqlite3
from pathlib import Path

import pytest

from tagger.catalog import engine
from tagger.records import TaggerError


@pytest.mark.parametrize("name", ["catalog.sqlite", "journal.sqlite"])
def test_both_files_are_in_wal_mode(tmp_path: Path, name: str) -> None:
    """Else every commit waits for the disk twice, and readers wait for the daemon."""
    engine.open_writer(tmp_path / "catalog.sqlite").close()
    connection = sqlite3.connect(tmp_path / name)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()


def test_a_catalog_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    """SQLite opens such a file for reading, and says so only when a transaction begins."""
    catalog = tmp_path / "catalog.sqlite"
    writer = engine.open_writer(catalog)
    writer._engine.dispose()
    with writer._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(TaggerError, match="the catalog cannot be written"), writer.begin():
        raise AssertionError("it began")
    writer.close()
