"""The catalog and the journal in numbers, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select

from tagger.catalog.history import Cost, cost, files
from tagger.catalog.schema import analyses, decisions, failures, roots, tracks, vetoes
from tagger.records import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The catalog in numbers of tracks; `refused` and `failed` by reason. `undone`: all taken back."""

    tracks: int
    missing: int
    heard: int
    not_music: int
    written: int
    undone: int
    vetoed: int
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    last_scan: Mapping[str, float | None]
    journal: Cost


def status(connection: Connection) -> Status:
    """The numbers as they stand; a file that was written more than once counts once."""
    present = tracks.c.missing_since.is_(None)
    heard = exists().where(analyses.c.identity == tracks.c.identity)
    written, undone = files(connection)
    scans = connection.execute(select(roots.c.path, roots.c.scanned_at))
    return Status(
        tracks=_count(connection, select(func.count()).select_from(tracks).where(present)),
        missing=_count(connection, select(func.count()).select_from(tracks).where(~present)),
        heard=_count(connection, select(func.count()).select_from(tracks).where(present, heard)),
        not_music=_count(connection, select(func.count()).where(decisions.c.outcome == Outcome.NOT_MUSIC)),
        written=written,
        undone=undone,
        vetoed=_count(connection, select(func.count(func.distinct(vetoes.c.path)))),
        refused=_by_reason(
            connection, select(decisions.c.reason, func.count()).where(decisions.c.outcome == Outcome.REFUSED)
        ),
        failed=_by_reason(connection, select(failures.c.reason, func.count())),
        last_scan={path.decode("utf-8", "surrogateescape"): at for path, at in scans},
        journal=cost(connection),
    )


def _count(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(query).scalar_one())


def _by_reason(connection: Connection, query: Select[Any]) -> dict[str, int]:
    reason = query.selected_columns[0]
    rows = connection.execute(query.group_by(reason).order_by(reason))
    return {row[0]: row[1] for row in rows}
