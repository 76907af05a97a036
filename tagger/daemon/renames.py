"""Files that stand renamed, until their folders are durable: the files of a folder share its fsync.

Their journal rows say "prepared" until then, so that after a power cut each file itself is asked what became of it.
"""

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from tagger.catalog import journal, views
from tagger.catalog.engine import Writer
from tagger.daemon import jobs
from tagger.daemon.workers import FileWorkers
from tagger.ownership import taken_back
from tagger.records import JournalKind, JournalState, Prepared
from tagger.tags.fields import field_of

_MOST, _LONGEST_S = 1000, 2.0
"""So many files wait for their folders at most; and whoever comes after so long a time waits no more."""


class OpenRow(NamedTuple):
    """A journal row that awaits its last word."""

    id: int
    kind: JournalKind
    prepared: Prepared


@dataclass(slots=True)
class Renames:
    """What was renamed since folders were made durable last."""

    _rows: list[OpenRow] = field(default_factory=list)
    _since: float = 0.0

    def add(self, row: OpenRow) -> None:
        if not self._rows:
            self._since = time.monotonic()
        self._rows.append(row)

    def holds(self, row_id: int) -> bool:
        return any(row.id == row_id for row in self._rows)

    def due(self) -> bool:
        return len(self._rows) >= _MOST or (bool(self._rows) and time.monotonic() - self._since >= _LONGEST_S)

    def taken(self) -> dict[bytes, list[OpenRow]]:
        """All of them, by folder; they wait no more."""
        rows, self._rows = self._rows, []
        folders = defaultdict(list)
        for row in rows:
            folders[os.path.dirname(row.prepared.path)].append(row)
        return folders


async def make_durable(writer: Writer, files: FileWorkers, renames: Renames) -> None:
    """One fsync for each folder, then the last word on all rows. Raises TaggerError where the journal is not to be had.

    Where a folder's fsync fails, each file says what became of it.
    """
    closed = []
    for folder, rows in renames.taken().items():
        failed = await files.do(jobs.MakeDurable(folder)) is not None
        closed += [
            (row, await settled(writer, files, row.prepared) if failed else JournalState.RENAMED) for row in rows
        ]
    if closed:
        close(writer, closed)


async def settled(writer: Writer, files: FileWorkers, prepared: Prepared) -> JournalState:
    """What became of a write; "prepared" where nobody can tell now, "gone" where a scan, too, missed the file."""
    state = await files.do(jobs.Settle(prepared))
    with writer.begin() as connection:
        known = views.known_file(connection, prepared.path)
    tells = isinstance(state, JournalState) and (state is not JournalState.GONE or (known and known.missing))
    return state if tells else JournalState.PREPARED


def close(writer: Writer, rows: Sequence[tuple[OpenRow, JournalState]]) -> None:
    """The last word on rows, and the vetoes of an undo with it: no crash comes between, undone stays undone."""
    with writer.begin() as connection:
        for row, state in rows:
            journal.set_state(connection, row.id, state)
            if row.kind is JournalKind.UNDO and state is JournalState.RENAMED:
                path, identity = row.prepared.path, row.prepared.identity
                names = taken_back(journal.rows_for(connection, path, identity), row.id)
                fields = sorted({field_of(name) for name in names})
                journal.veto(connection, path, identity, fields, "undone", now_text())


def now_text() -> str:
    """ISO 8601 in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
