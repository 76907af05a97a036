"""What was written, run by run and write by write, for people: read from the journal, also without a catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from tagger.catalog.journal import at_home, tuples, undone
from tagger.catalog.schema import tracks, writes
from tagger.records import JournalKind, JournalState


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One write, or one undo; times are ISO 8601 in UTC."""

    id: int
    at: str
    path: bytes
    kind: JournalKind
    run: int | None
    bundle_id: str | None
    undone: bool
    undo_bytes: int  # of its undo record; 0: pruned
    written: Mapping[str, tuple[str, ...]]
    replaced: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One scan, or one stretch of the daemon's writing."""

    run: int
    began: str
    ended: str
    files: int
    writes: int
    undone: int
    bundle_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the journal keeps: writes and undos, the bytes of their undo records, and since when (ISO 8601, UTC)."""

    writes: int
    records: int
    undo_bytes: int
    oldest: str | None


def cost(connection: Connection, before: str | None = None) -> Cost:
    """Of everything, or of what is older than a time. Sizes are read without the records."""
    size = func.length(writes.c.undo_record)
    query = select(func.count(), func.count().filter(size > 0), func.sum(size), func.min(writes.c.at))
    query = query.where(writes.c.state != JournalState.PREPARED)
    found = connection.execute(query if before is None else query.where(writes.c.at < before)).one()
    return Cost(writes=found[0], records=found[1], undo_bytes=found[2] or 0, oldest=found[3])


def files(connection: Connection) -> tuple[int, int]:
    """How many files were written: those in which a write stands, and those of which every write is undone."""
    ever = select(func.count(func.distinct(writes.c.path)))
    ever = ever.where(writes.c.state == JournalState.RENAMED, writes.c.kind == JournalKind.WRITE)
    standing = int(connection.execute(ever.where(~undone())).scalar_one())
    return standing, int(connection.execute(ever).scalar_one()) - standing


def entries(connection: Connection, path: bytes | None, limit: int) -> list[Entry]:
    """The newest writes and undos, newest first; of a file, or of all that lie below a folder, where one is named."""
    names = ("id", "at", "path", "kind", "run", "bundle_id", "written", "replaced")
    columns = (*(writes.c[name] for name in names), undone().label("undone"))
    query = _of(select(*columns, func.length(writes.c.undo_record).label("undo_bytes")), path)
    rows = connection.execute(query.order_by(writes.c.id.desc()).limit(limit)).mappings()
    return [_entry(dict(row)) for row in rows]


def runs(connection: Connection, path: bytes | None, limit: int) -> list[Run]:
    """The newest runs, newest first; with a path, those that wrote there, and what they wrote there."""
    query = select(
        writes.c.run,
        func.min(writes.c.at).label("began"),
        func.max(writes.c.at).label("ended"),
        func.count(func.distinct(writes.c.path)).label("files"),
        func.count().label("writes"),
        func.count().filter(undone()).label("undone"),
        func.group_concat(func.distinct(writes.c.bundle_id)).label("bundle_ids"),
    ).where(writes.c.run.is_not(None))
    rows = connection.execute(_of(query, path).group_by(writes.c.run).order_by(writes.c.run.desc()).limit(limit))
    return [_run(dict(row)) for row in rows.mappings()]


def _of(query: Select[Any], path: bytes | None) -> Select[Any]:
    query = query.where(writes.c.state == JournalState.RENAMED)
    return query if path is None else query.where(_at_or_below(path))


def _at_or_below(path: bytes) -> ColumnElement[bool]:
    """Rows of what lies there, also of a file that came there past a deleted catalog."""
    come = select(tracks.c.identity).where(_in(tracks.c.path, path), tracks.c.missing_since.is_(None))
    return or_(_in(writes.c.path, path), and_(writes.c.identity.in_(come), ~at_home(writes.c.path, writes.c.identity)))


def _in(column: ColumnElement[bytes], path: bytes) -> ColumnElement[bool]:
    folder = path.rstrip(b"/")
    return or_(column == path, and_(column > folder + b"/", column < folder + b"0"))  # "0" comes right behind "/"


def _entry(row: Mapping[str, Any]) -> Entry:
    read = {"kind": JournalKind(row["kind"]), "undone": bool(row["undone"])}
    return Entry(**{**row, **read, "written": tuples(row["written"]), "replaced": tuples(row["replaced"])})


def _run(row: Mapping[str, Any]) -> Run:
    bundles: Sequence[str] = sorted((row["bundle_ids"] or "").split(","))
    return Run(**{**row, "bundle_ids": tuple(filter(None, bundles))})
