"""Taking writes back: to the byte while nobody else has touched the file, else field by field."""

import os
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise, takewhile
from typing import BinaryIO

from tagger.records import (
    Dropped,
    Edit,
    Failure,
    FieldEdit,
    FileStat,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
    Refused,
    Unchanged,
)
from tagger.tags.attributes import refusal
from tagger.tags.copy import Order, make
from tagger.tags.fields import equal, standing
from tagger.tags.formats.base import FormatError
from tagger.tags.inspect import OPEN_FLAGS, content_hash, inspect
from tagger.tags.refusals import Reason
from tagger.tags.splice import DamagedRecordError, UndoRecord, compose, decode
from tagger.tags.write import prepare

Undoing = tuple[Prepared | Refused | Dropped | Unchanged, Mapping[str, str]]
"""What came of it, and per field what was left as it is, and why."""


def prepare_undo(path: bytes, rows: Sequence[JournalRow], policy: Policy) -> Undoing:
    """The copy that takes back all writes of `rows`, newest first, since the last undo. Raises OSError.

    To the first original, byte for byte, where the file still is what we wrote. Else the fields that still hold what we
    wrote get their old values; the others are left and named.
    """
    writes = _since_last_undo(rows)
    if not writes:
        return Unchanged(notes={}), {"undo": "nothing was written to it"}
    try:
        with os.fdopen(os.open(path, OPEN_FLAGS), "rb") as file:
            stat, current = FileStat.of(os.fstat(file.fileno())), content_hash(file)
    except FileNotFoundError:
        return Dropped(reason="it is no longer there"), {}
    newest, oldest = writes[0].prepared, writes[-1].prepared
    if current == oldest.hash_before:
        return Unchanged(notes={}), {"undo": "it is as it was before"}
    if refused := refusal(stat, policy):
        return refused, {}
    if current == newest.hash_after and all(
        later.prepared.hash_before == sooner.prepared.hash_after for later, sooner in pairwise(writes)
    ):
        return _exact(path, [write.prepared for write in writes]), {}
    return _by_fields(path, [write.prepared for write in writes], policy)


def _since_last_undo(rows: Sequence[JournalRow]) -> list[JournalRow]:
    done = [row for row in rows if row.state is JournalState.RENAMED]
    return list(takewhile(lambda row: row.kind is JournalKind.WRITE, done))


def _exact(path: bytes, writes: Sequence[Prepared]) -> Prepared | Refused | Dropped:
    newest, oldest = writes[0], writes[-1]
    try:
        records = [decode(write.undo_record) for write in writes]
    except DamagedRecordError as error:
        return Refused(reason=Reason.NO_UNDO, detail=str(error))
    record: UndoRecord = reduce(lambda newer, older: compose(older, newer), records)
    names = {name for write in writes for name in write.written}

    def check(_: BinaryIO, new: BinaryIO) -> None:
        if content_hash(new) != oldest.hash_before:
            raise FormatError(Reason.NO_UNDO)

    return make(
        Order(
            path=path,
            stat=None,
            plan=lambda file: record,
            check=check,
            identity=oldest.identity,
            mtime_ns=oldest.stat_before.mtime_ns,
            written={name: _original(writes, name) for name in names},
            replaced={name: newest.written.get(name, ()) for name in names},
            bundle_id=None,
        )
    )


def _by_fields(path: bytes, writes: Sequence[Prepared], policy: Policy) -> Undoing:
    inspection = inspect(path)
    if isinstance(inspection, Failure):
        return Refused(reason=Reason.DAMAGED, detail=inspection.reason), {}
    if inspection.refusal:
        return inspection.refusal, {}
    edits, left = [], {}
    for name in {name: None for write in writes for name in write.written}:
        now = standing(inspection.tags, name)
        last = next(write.written[name] for write in writes if name in write.written)
        original = _original(writes, name)
        if not equal(now, last, policy.v23_separator):
            left[name] = "changed since by somebody else"
        elif now != original:
            edits.append(FieldEdit(name=name, old=now, new=original))
    if not edits:
        return Unchanged(notes=left), left
    edit = Edit(
        path=path,
        stat=inspection.stat,
        container=inspection.container,
        identity=inspection.identity,
        fields=tuple(edits),
        notes=left,
        policy=policy,
        bundle_id=None,
    )
    return prepare(edit), left


def _original(writes: Sequence[Prepared], name: str) -> tuple[str, ...]:
    """What stood in a field before the first of the writes that touched it."""
    return next(write.replaced[name] for write in reversed(writes) if name in write.replaced)
