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
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(path, timeout=30), poolclass=StaticPool)
    # pysqlite commits before DDL by itself; a migration must be all or nothing
    event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def backup(path: Path, target: Path) -> None:
    """A consistent copy of an SQLite file, by SQLite's own backup; replaces an earlier one."""
    target.unlink(missing_ok=True)
    source, copy = sqlite3.connect(path), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
