"""Whose a field's value is: told from the journal's rows of its file."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tagger.records import Field, History, JournalKind, JournalRow, JournalState

SEPARATORS = ("; ", "/")
LABEL_FIELDS = ("TAGGER_GENRE", "TAGGER_MOOD")
"""Those whose change is worth a write; the others follow."""
_STANDARD = (Field.GENRE, Field.MOOD, Field.GROUPING)
_DONE = (JournalState.RENAMED, JournalState.PREPARED)
"""Past the start, a row that is still open is one of a write that is just under way, or awaits its folder's fsync."""
_Values = tuple[str, ...]
_DATE = "TAGGER_DATE"


def equal(values: _Values, wanted: _Values, separator: str = SEPARATORS[0]) -> bool:
    """Whether the same values stand; ID3v2.3 holds several as one string, joined as it was set now or earlier."""
    return values == wanted or values in [(joint.join(wanted),) for joint in (separator, *SEPARATORS)]


@dataclass(frozen=True, slots=True)
class Told:
    """What the journal tells of one tag field."""

    own: _Values = ()  # the last values there that were not ours
    ours: tuple[tuple[JournalRow, _Values], ...] = ()  # writes that stand on them, oldest first, and what they wrote

    def without(self, chosen: Collection[int]) -> _Values:
        """What is to stand there when the writes of these ids are taken back."""
        left = [values for row, values in self.ours if row.id not in chosen]
        return left[-1] if left else self.own


def of_one_file(rows: Sequence[JournalRow], path: bytes, content: str | None = None) -> Sequence[JournalRow]:
    """A file's rows among all that may belong to it, newest first; `content`: the hash of what it holds, where known.

    Copies of one recording that vanished, or moved past a deleted catalog, leave rows that could be any copy's. The
    file's are those of its path, and of the others what leads to one of these, or to what it holds, or was taken back
    here. Where nothing leads anywhere, all of them. After an edit by the user it is our date that leads on, where
    it stands in the rows of one path alone.
    """
    found: list[JournalRow] = []
    named: set[int] = set()
    left: str | None = content
    date: _Values = ()
    dated: defaultdict[_Values, set[bytes]] = defaultdict(set)
    for row in rows:
        dated[row.prepared.written.get(_DATE, ())].add(row.prepared.path)
    for row in rows:
        same_date = date and date == row.prepared.written.get(_DATE) and len(dated[date]) == 1
        leads_here = row.state in _DONE and not row.undone and (row.prepared.hash_after == left or same_date)
        if row.prepared.path != path and row.id not in named and not leads_here:
            continue
        found.append(row)
        named.update(row.undoes or ())
        if row.state in _DONE:
            left, date = row.prepared.hash_before, row.prepared.replaced.get(_DATE, ())
    return found or rows


def told(rows: Sequence[JournalRow], name: str) -> Told:
    """Of a tag field (genre, mood, grouping, TAGGER_*); rows newest first.

    What a write or an undo found is the user's unless it is what the one before had left there. A write that gives the
    user's value back leaves nothing of ours; one that was undone counts for nothing.
    """
    own: _Values = ()
    ours: list[tuple[JournalRow, _Values]] = []
    left: _Values | None = None
    for row in reversed(rows):
        values = row.prepared.written.get(name)
        if values is None or row.state not in _DONE:
            continue
        found = row.prepared.replaced.get(name, ())
        if left is None or not equal(found, left):
            own, ours = found, []
        if row.kind is JournalKind.WRITE and not row.undone:
            ours = [] if equal(values, own) else [*ours, (row, values)]
        left = values
    return Told(own, tuple(ours))


def history(rows: Sequence[JournalRow], vetoes: Iterable[Field]) -> History:
    """What an edit must know of a file, from all its rows, newest first."""
    names: dict[Field, tuple[str, ...]] = {field: (field,) for field in _STANDARD} | {Field.CUSTOM: LABEL_FIELDS}
    fields = {field: [told(rows, name) for name in names[field]] for field in names}
    ours = {field: [one.ours[-1] for one in parts if one.ours] for field, parts in fields.items()}
    return History(
        written={field: tuple(text for _, values in ours[field] for text in values) for field in names if ours[field]},
        before={field: fields[field][0].own for field in _STANDARD if ours[field]},
        released=frozenset(field for field in names if any(row.released for row, _ in ours[field])),
        vetoes=frozenset(vetoes),
        bundle_id=_last_bundle(rows),
    )


def _last_bundle(rows: Sequence[JournalRow]) -> str | None:
    """Of the newest write that is neither undone nor released."""
    standing = (row for row in rows if row.kind is JournalKind.WRITE and row.state in _DONE)
    return next((row.prepared.bundle_id for row in standing if not row.undone and not row.released), None)


def taken_back(rows: Sequence[JournalRow], undo_id: int) -> set[str]:
    """The tag fields that an undo was meant for, rows newest first: all of its writes but what a later one holds.

    Those that it left, because the user had changed them, are among them.
    """
    undo = next(row for row in rows if row.id == undo_id)
    meant = {name for row in rows if row.id in (undo.undoes or ()) for name in row.prepared.written}
    return set(undo.prepared.written) | {name for name in meant if not told(rows, name).ours}
