"""Bringing a file up to this program's schema, after a backup beside it."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

from tagger.settings import shipped


def migrate(name: str, path: Path) -> None:
    """Runs the migrations "catalog" or "journal" on a file. Each revision and its record are one transaction."""
    if path.exists() and path.stat().st_size:
        backup(path, path.with_name(path.name + ".before-migration"))
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations") / name).replace("%", "%%"))
    engine = create_engine("sqlite://", creator=lambda: _opened(path), poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _opened(path: Path) -> sqlite3.Connection:
    """Without pysqlite's own commits before DDL: a migration must be all or nothing."""
    raw = sqlite3.connect(path, timeout=30, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")  # inside a transaction it would be passed over in silence
    return raw


def backup(path: Path, target: Path) -> None:
    """A consistent copy of an SQLite file, by SQLite's own backup; replaces an earlier one."""
    target.unlink(missing_ok=True)
    source, copy = sqlite3.connect(path), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
