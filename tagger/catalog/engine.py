"""Opening the catalog and its journal. Nothing outside this module and `migrate` knows that they are SQLite.

The journal lies beside the catalog and is attached to each connection as "journal"; its commits wait for the disk
(`synchronous=FULL`), the catalog's do not, since listening again would restore it.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool, StaticPool

from tagger.catalog import schema
from tagger.records import TaggerError

HEADS = {"catalog": "0002", "journal": "0003"}
"""The schema of this program, by the name of its newest migration; a test holds them to the migrations."""
_BUSY_SECONDS = 30


__all__ = ["Connection", "Reader", "Writer", "journal_path", "open_reader", "open_writer"]


class Writer:
    """The one writing connection of a process."""

    def __init__(self, engine: Engine, catalog: Path) -> None:
        self._engine, self._catalog = engine, catalog

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; committed at the end, else rolled back."""
        with self._engine.connect() as connection:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.exec_driver_sql("COMMIT")
            except DatabaseError as error:
                self._roll_back(connection)
                raise TaggerError(f"the catalog cannot be written: {_trouble(self._catalog, error)}") from error
            except BaseException:
                self._roll_back(connection)
                raise

    def compact_journal(self) -> None:
        """Gives the disk what was pruned. Raises TaggerError where there is no room to do it in."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("VACUUM journal")
                connection.exec_driver_sql("PRAGMA journal.wal_checkpoint(TRUNCATE)")
        except DatabaseError as error:
            raise TaggerError(f"pruned, but the journal's file is not smaller for it: {error.orig}") from error

    def close(self) -> None:
        self._engine.dispose()

    @staticmethod
    def _roll_back(connection: Connection) -> None:
        """SQLite has already rolled back where the disk was full; a second time would be an error of its own."""
        raw = connection.connection.dbapi_connection
        if isinstance(raw, sqlite3.Connection) and raw.in_transaction:
            connection.exec_driver_sql("ROLLBACK")


class Reader:
    """Read-only access, also beside a running daemon and from another account."""

    def __init__(self, engine: Engine, catalog: Path) -> None:
        self._engine, self._catalog = engine, catalog

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Raises TaggerError where the file turns out to be damaged."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except DatabaseError as error:
            raise TaggerError(_trouble(self._catalog, error)) from error


def journal_path(catalog: Path) -> Path:
    return catalog.with_name("journal.sqlite")


def open_writer(catalog: Path) -> Writer:
    """Creates or migrates both files where needed, after a backup. Raises TaggerError saying what is wrong."""
    try:
        catalog.parent.mkdir(parents=True, exist_ok=True)
        for name, path in (("journal", journal_path(catalog)), ("catalog", catalog)):
            _bring_up_to_date(name, path)
        engine = create_engine("sqlite://", creator=lambda: _writing(catalog), poolclass=StaticPool)
        with engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM journal.sqlite_master"))
    except OSError as error:
        raise TaggerError(f"catalog {catalog}: {error.strerror}; --catalog FILE names another place") from error
    except (sqlite3.Error, DatabaseError) as error:
        raise TaggerError(_trouble(catalog, error)) from error
    return Writer(engine, catalog)


def open_reader(catalog: Path) -> Reader:
    """Raises TaggerError where there is no catalog yet, or one of another version."""
    return _open_reader(catalog, {"catalog": catalog, "journal": journal_path(catalog)})


def open_history(catalog: Path) -> Reader:
    """A reader to which the journal is enough: where the catalog is gone, an empty one in memory stands in for it."""
    if catalog.exists():
        return open_reader(catalog)
    return _open_reader(catalog, {"journal": journal_path(catalog)})


def _open_reader(catalog: Path, files: Mapping[str, Path]) -> Reader:
    try:
        for name, path in files.items():
            if not path.exists():
                raise TaggerError(f"no catalog at {path}: make one with `tagger scan FOLDER`")
            version = _version(path)
            if version != HEADS[name]:
                raise TaggerError(_other_version(name, path, version))
        engine = create_engine(
            "sqlite://", creator=lambda: _reading(files), poolclass=NullPool if "catalog" in files else StaticPool
        )
        if "catalog" not in files:
            schema.catalog.create_all(engine)
    except OSError as error:
        raise TaggerError(f"catalog {catalog}: {error.strerror}") from error
    except (sqlite3.Error, DatabaseError) as error:
        raise TaggerError(_trouble(catalog, error)) from error
    return Reader(engine, catalog)


def _writing(catalog: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(catalog, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("ATTACH DATABASE ? AS journal", (os.fspath(journal_path(catalog)),))
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA main.synchronous = NORMAL")
    connection.execute("PRAGMA journal.synchronous = FULL")
    return connection


def _reading(files: Mapping[str, Path]) -> sqlite3.Connection:
    main = _read_only(files["catalog"]) if "catalog" in files else ":memory:"
    connection = sqlite3.connect(main, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.execute("ATTACH DATABASE ? AS journal", (_read_only(files["journal"]),))
    return connection


def _read_only(path: Path) -> str:
    """Without a -wal nobody is writing; then SQLite need not make one, which another account may not."""
    immutable = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
    return f"file:{quote(os.fsencode(path.absolute()))}?mode=ro{immutable}"


def _version(path: Path) -> str | None:
    """Name of the newest migration that ran, None before the first."""
    with _closing(sqlite3.connect(_read_only(path), uri=True, timeout=_BUSY_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in tables:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])


@contextmanager
def _closing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()


def _bring_up_to_date(name: str, path: Path) -> None:
    version = _version(path) if path.exists() and path.stat().st_size else None
    if version == HEADS[name]:
        return
    if version is not None and version > HEADS[name]:
        raise TaggerError(_other_version(name, path, version))
    from tagger.catalog.migrate import migrate  # alembic takes a quarter of a second to load

    migrate(name, path)


def _other_version(name: str, path: Path, version: str | None) -> str:
    if version is not None and version > HEADS[name]:
        return f"{path} has schema {version}, this tagger knows {HEADS[name]}: install a newer tagger"
    return f"{path} has an older schema ({version or 'none'}): `tagger scan FOLDER` brings it up to date"


def _trouble(catalog: Path, error: Exception) -> str:
    said = str(getattr(error, "orig", None) or error)
    journal = journal_path(catalog)
    if "malformed" not in said and "not a database" not in said:
        return f"catalog {catalog}: {said}"
    if _is_damaged(journal):
        return (
            f"journal {journal} is damaged ({said}): restore it from a backup, or move it away, with its -wal and "
            "-shm where they are there, and go on. Without it all tags stay in their files, but what was written "
            "until now cannot be undone, and counts as the user's own"
        )
    return (
        f"catalog {catalog} is damaged ({said}): move it away, with its -wal and -shm where they are there, "
        f"and scan again; keep {journal.name}, it holds what undo needs"
    )


def _is_damaged(path: Path) -> bool:
    try:
        with _closing(sqlite3.connect(_read_only(path), uri=True, timeout=_BUSY_SECONDS)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.DatabaseError as error:
        return "malformed" in str(error) or "not a database" in str(error)
