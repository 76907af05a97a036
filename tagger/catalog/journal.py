"""What was written to files, and the user's word against writing: the rows that no new scan could restore.

A row belongs to a file by path and identity. Where the path holds no track any more, it belongs to whichever track has
the identity now: that is how undo and vetoes follow a file that moved, also past a deleted catalog.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger import ownership
from tagger.catalog.schema import tracks, vetoes, writes
from tagger.records import Field, FileStat, History, JournalKind, JournalRow, JournalState, Prepared, Selection


def add(
    connection: Connection,
    prepared: Prepared,
    kind: JournalKind,
    at: str,
    *,
    run: int | None = None,
    undoes: Iterable[int] | None = None,
) -> int:
    """A row in state "prepared", and its id; `at` is ISO 8601 in UTC. An undo names the writes that it takes back."""
    values = asdict(prepared) | {"kind": kind, "state": JournalState.PREPARED, "at": at, "run": run}
    values |= {"undoes": None if undoes is None else list(undoes), "released": None}
    values["stat_before"] = prepared.stat_before._asdict()
    row = {column.name: values[column.name] for column in writes.columns if column.name != "id"}
    return int(connection.execute(insert(writes).values(row)).inserted_primary_key[0])  # type: ignore[index]


def next_run(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(writes.c.run), 0) + 1)).scalar_one())


def set_state(connection: Connection, row_id: int, state: JournalState) -> None:
    connection.execute(update(writes).where(writes.c.id == row_id).values(state=state))


def open_rows(connection: Connection, path: bytes | None = None) -> list[JournalRow]:
    """Rows whose write was under way when the program ended, oldest first; that of a file that was gone and is back.

    With a path, those of that file.
    """
    back = and_(writes.c.state == JournalState.GONE, at_home(writes.c.path, writes.c.identity))
    rows = select(writes, undone().label("undone"))
    query = rows.where(or_(writes.c.state == JournalState.PREPARED, back)).order_by(writes.c.id)
    if path is not None:
        query = query.where(writes.c.path == path)
    return [_row(row) for row in connection.execute(query).mappings()]


def rows_for(connection: Connection, path: bytes, identity: str) -> Sequence[JournalRow]:
    """Every row of a file, newest first."""
    return _of_file(connection, select(writes, undone(identity).label("undone")), path, identity)


def _of_file(connection: Connection, rows: Select[Any], path: bytes, identity: str) -> Sequence[JournalRow]:
    query = rows.where(_belongs(writes.c.path, writes.c.identity, path, identity)).order_by(writes.c.id.desc())
    return ownership.of_one_file([_row(row) for row in connection.execute(query).mappings()], path)


def undone(identity: str | None = None) -> ColumnElement[bool]:
    """Whether an undo took a write back; with an identity, only that recording's undos are looked through."""
    undo, whole = writes.alias(), writes.alias()
    one = func.json_each(undo.c.undoes).table_valued("value")
    named = select(one.c.value).select_from(undo).join(one, true()).where(_is_undo(undo))
    if identity is not None:
        named = named.where(undo.c.identity == identity)
    all_before = exists().where(
        whole.c.path == writes.c.path,
        whole.c.identity.concat("") == writes.c.identity,  # by its path: a jingle may have a thousand copies
        _is_undo(whole),
        whole.c.undoes.is_(null()),
        whole.c.id > writes.c.id,
    )
    return or_(writes.c.id.in_(named), all_before)


def _is_undo(rows: FromClause) -> ColumnElement[bool]:
    """Not by the index of the states: nearly every row has this one."""
    return and_(rows.c.kind == JournalKind.UNDO, rows.c.state.concat("") == JournalState.RENAMED)


def selected(connection: Connection, selection: Selection) -> dict[tuple[bytes, str], list[int]]:
    """The writes that are meant, by (path, identity) of the file as the journal knows it, ascending."""
    query = select(writes.c.path, writes.c.identity, writes.c.id).where(
        writes.c.state == JournalState.RENAMED, writes.c.kind == JournalKind.WRITE
    )
    if selection.run is not None:
        query = query.where(writes.c.run == selection.run)
    if selection.since is not None:
        query = query.where(writes.c.at >= selection.since)
    if selection.bundle_id is not None:
        query = query.where(writes.c.bundle_id == selection.bundle_id)
    found: dict[tuple[bytes, str], list[int]] = {}
    for row in connection.execute(query.order_by(writes.c.path, writes.c.id)):
        found.setdefault((row.path, row.identity), []).append(row.id)
    return found


def prune(connection: Connection, before: str) -> None:
    """Empties the undo records of what is older than a time. What was written stays: it tells ours from the user's."""
    old = and_(writes.c.at < before, writes.c.state != JournalState.PREPARED)
    connection.execute(update(writes).where(old).values(undo_record=b""))


def directories(connection: Connection) -> set[bytes]:
    """Folders in which a write may have left a copy."""
    return {os.path.dirname(path) for (path,) in connection.execute(select(writes.c.path).distinct())}


def move(connection: Connection, old: bytes, new: bytes, identity: str) -> None:
    """The rows follow a file to its new path."""
    for table in (writes, vetoes):
        where = and_(table.c.path == old, table.c.identity == identity)
        connection.execute(update(table).prefix_with("OR REPLACE").where(where).values(path=new))


def history(connection: Connection, path: bytes, identity: str) -> History:
    """What of a file's standard fields and labels is ours, and what the user has taken back.

    Every inspection asks: the undo records, nearly all that a row weighs, are not read.
    """
    columns = [column for column in writes.columns if column is not writes.c.undo_record]
    rows = select(*columns, literal(b"").label("undo_record"), undone(identity).label("undone"))
    return ownership.history(_of_file(connection, rows, path, identity), vetoed(connection, path, identity))


def veto(connection: Connection, path: bytes, identity: str, fields: Iterable[Field], why: str, at: str) -> None:
    """These fields of the file are the user's from now on; a veto that stands keeps its date."""
    rows = [{"path": path, "identity": identity, "field": field, "since": at, "why": why} for field in fields]
    if rows:
        connection.execute(upsert(vetoes).on_conflict_do_nothing(), rows)


def lift_vetoes(connection: Connection, path: bytes, identity: str) -> None:
    """None of the user's changes until now keeps us from the file any longer."""
    connection.execute(delete(vetoes).where(_belongs(vetoes.c.path, vetoes.c.identity, path, identity)))
    written = _belongs(writes.c.path, writes.c.identity, path, identity)
    connection.execute(update(writes).where(written).values(released=True))


def vetoed(connection: Connection, path: bytes, identity: str) -> frozenset[Field]:
    query = select(vetoes.c.field).where(_belongs(vetoes.c.path, vetoes.c.identity, path, identity))
    return frozenset(Field(field) for (field,) in connection.execute(query))


def _belongs(
    row_path: ColumnElement[bytes], row_identity: ColumnElement[str], path: object, identity: object
) -> ColumnElement[bool]:
    """The rule of this module, for a row and a file (values or columns)."""
    return and_(row_identity == identity, or_(row_path == path, ~at_home(row_path, row_identity)))


def at_home(row_path: ColumnElement[bytes], row_identity: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a row's recording is where the row says: after files changed names, another may be there."""
    other = tracks.alias()
    return exists().where(other.c.path == row_path, other.c.identity == row_identity, other.c.missing_since.is_(None))


def belongs_to_track() -> ColumnElement[bool]:
    """Whether a veto belongs to a track, for views that join the two."""
    return _belongs(vetoes.c.path, vetoes.c.identity, tracks.c.path, tracks.c.identity)


def _row(row: Mapping[Any, Any]) -> JournalRow:
    values = {str(name): value for name, value in row.items()}
    prepared = Prepared(
        **{name: values[name] for name in _PLAIN},
        stat_before=FileStat(**values["stat_before"]),
        written=tuples(values["written"]),
        replaced=tuples(values["replaced"]),
    )
    return JournalRow(
        id=values["id"],
        kind=JournalKind(values["kind"]),
        state=JournalState(values["state"]),
        at=str(values["at"]),
        prepared=prepared,
        run=values["run"],
        undoes=None if values["undoes"] is None else tuple(values["undoes"]),
        undone=bool(values["undone"]),
        released=bool(values["released"]),
    )


_PLAIN = ("path", "temp_name", "temp_inode", "hash_before", "hash_after", "identity", "undo_record", "bundle_id")


def tuples(values: object) -> dict[str, tuple[str, ...]]:
    """Names and values, as JSON keeps them."""
    assert isinstance(values, dict)
    return {name: tuple(texts) for name, texts in values.items()}
