"""Taking writes back: to the byte while nobody else has touched the file, else field by field."""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import BinaryIO

from tagger.ownership import equal, of_one_file, told
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
    UndoPlan,
)
from tagger.tags.attributes import refusal
from tagger.tags.copy import Order, make
from tagger.tags.fields import standing
from tagger.tags.formats.base import FormatError
from tagger.tags.inspect import OPEN_FLAGS, content_hash, inspect
from tagger.tags.refusals import Reason
from tagger.tags.rehearsal import obstacle, rehearse
from tagger.tags.splice import DamagedRecordError, UndoRecord, blocks, compose, decode
from tagger.tags.write import prepare

Undoing = tuple[Prepared | Refused | Dropped | Unchanged, Mapping[str, str]]
"""What came of it, and per field what was left as it is, and why."""


def prepare_undo(
    path: bytes, rows: Sequence[JournalRow], policy: Policy, selected: Collection[int] | None = None
) -> Undoing:
    """The copy that takes back the selected writes among `rows`, newest first; None: all of them. Raises OSError.

    To what stood before them, byte for byte, where the file still is what the newest of them made. Else the fields that
    still hold what we wrote get their old values; the others are left and named.
    """
    plan, chain = _planned(path, rows, policy, selected)
    if not isinstance(plan, UndoPlan):
        return plan, {}
    if plan.exact:
        return _exact(path, chain, plan.fields), plan.left
    edit = _edit(plan, policy)
    return (Unchanged(notes=plan.left) if edit is None else prepare(edit)), plan.left


def _edit(plan: UndoPlan, policy: Policy) -> Edit | None:
    """What a plan field by field comes to; None: nothing."""
    if not plan.fields or plan.inspection is None:
        return None
    return Edit(
        path=plan.inspection.path,
        stat=plan.inspection.stat,
        container=plan.inspection.container,
        identity=plan.inspection.identity,
        fields=plan.fields,
        notes=plan.left,
        policy=policy,
        bundle_id=None,
        carried=plan.inspection.carried,
    )


def _planned(
    path: bytes, rows: Sequence[JournalRow], policy: Policy, selected: Collection[int] | None
) -> tuple[UndoPlan | Refused | Dropped, Sequence[JournalRow]]:
    """The plan, and where it is exact the rows whose records lead back, newest first."""
    try:
        stat, current = _look(path)
    except FileNotFoundError:
        return Dropped(reason="it is no longer there"), ()
    done = [row for row in of_one_file(rows, path, current) if row.state is JournalState.RENAMED]
    writes = [row for row in done if row.kind is JournalKind.WRITE]
    chosen = [row for row in writes if not row.undone and (selected is None or row.id in selected)]
    if not chosen:
        return UndoPlan(left={"undo": "nothing is left to take back"}), ()
    if current == chosen[-1].prepared.hash_before:
        return UndoPlan(left={"undo": "it is as it was before"}), ()
    if refused := refusal(stat, policy):
        return refused, ()
    for chain in (chosen, _with_undos(done, chosen)):
        if _leads_back(current, chain, chosen):
            return UndoPlan(exact=True, fields=_summed([row.prepared for row in chain])), chain
    why = _why_not_exact(current, writes, chosen)
    return _plan_fields(path, done, chosen, policy, f"field by field, not to the byte: {why}"), ()


def _look(path: bytes) -> tuple[FileStat, str]:
    """A file's state and the hash of its content."""
    with os.fdopen(os.open(path, OPEN_FLAGS), "rb") as file:
        return FileStat.of(os.fstat(file.fileno())), content_hash(file)


def foresee_undo(
    path: bytes, rows: Sequence[JournalRow], policy: Policy, selected: Collection[int] | None = None
) -> UndoPlan | Refused | Dropped:
    """The plan, its bytes proven to be those from before; nothing is touched. Raises OSError.

    Refused where the file could not be replaced.
    """
    plan, chain = _planned(path, rows, policy, selected)
    if not isinstance(plan, UndoPlan):
        return plan
    if not plan.exact:
        edit = _edit(plan, policy)
        return (edit and rehearse(edit)) or plan
    try:
        return _foreseen(path, _record(chain), chain[-1].prepared.hash_before) or plan
    except DamagedRecordError as error:
        return Refused(reason=Reason.NO_UNDO, detail=str(error))


def _foreseen(path: bytes, record: UndoRecord, hash_before: str) -> Refused | None:
    """Why a file would not come back by its record. Raises DamagedRecordError, OSError."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, OPEN_FLAGS), "rb") as file:
        for block in blocks(record, file.fileno()):
            digest.update(block)
    if digest.hexdigest() != hash_before:
        return Refused(reason=Reason.NO_UNDO)
    return obstacle(path, lambda _: record)


def _with_undos(done: Sequence[JournalRow], chosen: Sequence[JournalRow]) -> Sequence[JournalRow]:
    """All rows down to the oldest chosen write, and on to the oldest that an undo among them took back.

    Field by field, an undo leaves a file that is ours as well, but never was before: only past all that it took back
    does a state lie in which nothing undone stands.
    """
    count = done.index(chosen[-1]) + 1
    for at, row in enumerate(done):
        if at < count and row.kind is JournalKind.UNDO:
            taken = [i for i, one in enumerate(done) if i > at and (row.undoes is None or one.id in row.undoes)]
            count = max([count, *(i + 1 for i in taken)])
    return done[:count]


def _leads_back(current: str, chain: Sequence[JournalRow], chosen: Sequence[JournalRow]) -> bool:
    """Whether the file is what the chain made, without a gap, and nothing else would go with it."""
    ours = all(row.kind is JournalKind.UNDO or row.undone or row in chosen for row in chain)
    steps = pairwise(row.prepared for row in chain)
    whole = all(later.hash_before == sooner.hash_after for later, sooner in steps)
    recorded = all(row.prepared.undo_record for row in chain)
    return ours and whole and recorded and current == chain[0].prepared.hash_after


def _why_not_exact(current: str, writes: Sequence[JournalRow], chosen: Sequence[JournalRow]) -> str:
    """What stands between the file and what it was before the chosen writes."""
    standing = [row for row in writes if not row.undone]
    if current != chosen[0].prepared.hash_after:
        return "the file has changed since" if chosen[0] is standing[0] else "a later write is not among those chosen"
    steps = pairwise(row.prepared for row in chosen)
    if any(later.hash_before != sooner.hash_after for later, sooner in steps):
        between = standing.index(chosen[-1]) - standing.index(chosen[0]) + 1 > len(chosen)
        return "a write in between is not among those chosen" if between else "the file was changed in between"
    return "its undo record was pruned"


def _exact(path: bytes, chain: Sequence[JournalRow], fields: Sequence[FieldEdit]) -> Prepared | Refused | Dropped:
    oldest = chain[-1].prepared
    try:
        record = _record(chain)
    except DamagedRecordError as error:
        return Refused(reason=Reason.NO_UNDO, detail=str(error))

    def check(_: BinaryIO, new: BinaryIO, content: str) -> None:
        if content != oldest.hash_before:
            raise FormatError(Reason.NO_UNDO)

    return make(
        Order(
            path=path,
            stat=None,
            plan=lambda file: record,
            check=check,
            identity=oldest.identity,
            mtime_ns=oldest.stat_before.mtime_ns,
            written={field.name: field.new for field in fields},
            replaced={field.name: field.old for field in fields},
            bundle_id=None,
        )
    )


def _record(chain: Sequence[JournalRow]) -> UndoRecord:
    """What stood before these rows, over what they made. Raises DamagedRecordError."""
    records = [decode(row.prepared.undo_record) for row in chain]
    return reduce(lambda newer, older: compose(older, newer), records)


def _summed(writes: Sequence[Prepared]) -> tuple[FieldEdit, ...]:
    """What changes in the fields when these writes, newest first, are taken back as one."""
    edits = []
    for name in dict.fromkeys(name for write in writes for name in write.written):
        old = next(write.written[name] for write in writes if name in write.written)
        new = next(write.replaced[name] for write in reversed(writes) if name in write.replaced)
        edits.append(FieldEdit(name=name, old=old, new=new))
    return tuple(edits)


def _plan_fields(
    path: bytes, rows: Sequence[JournalRow], chosen: Sequence[JournalRow], policy: Policy, why: str
) -> UndoPlan | Refused:
    inspection = inspect(path)
    if isinstance(inspection, Failure):
        return Refused(reason=Reason.DAMAGED, detail=inspection.reason)
    if inspection.identity != chosen[0].prepared.identity:
        return Refused(reason=Reason.ANOTHER)
    if inspection.refusal:
        return inspection.refusal
    edits, left = [], {"undo": why}
    ids = {row.id for row in chosen}
    for name in dict.fromkeys(name for row in chosen for name in row.prepared.written):
        now, tale = standing(inspection.tags, name), told(rows, name)
        before = tale.without(ids)
        last, written = tale.ours[-1] if tale.ours else (None, tale.own)
        if last and last.id not in ids:
            left[name] = "holds what a later write, which is not among those chosen, put there"
        elif not equal(now, written, policy.v23_separator):
            left[name] = "changed since by somebody else"
        elif now != before:
            edits.append(FieldEdit(name=name, old=now, new=before))
    return UndoPlan(fields=tuple(edits), left=left, inspection=inspection)
