"""Deciding what to write: a pure function of tags, analysis, policy and history, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass

from tagger.ownership import LABEL_FIELDS, equal
from tagger.records import (
    Analysis,
    Edit,
    Field,
    FieldEdit,
    FieldRule,
    History,
    Inspection,
    Policy,
    Proposal,
    Unchanged,
)
from tagger.tags.attributes import lies_read_only, refusal
from tagger.tags.fields import OLDER_TAG, STANDARD, custom_fields, labels_of, says_something, standing, surest

CHANGED_BY_USER = "changed by the user since it was written"
"""A note that is a veto from then on."""
VETOED = "undone or changed by the user: `tagger write --again` lifts it"


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one field shall hold, None for no change, and why."""

    values: tuple[str, ...] | None
    note: str


def propose(inspection: Inspection, analysis: Analysis, policy: Policy, history: History, now: str) -> Proposal:
    """The edit that an analysis calls for. `now`: ISO 8601 in UTC, for TAGGER_DATE.

    Unchanged where the wanted values stand or nothing may be written; Refused where the file cannot be written safely.
    """
    refused = lies_read_only(inspection.path, policy) or inspection.refusal or refusal(inspection.stat, policy)
    if refused:
        return refused
    if not policy.rewrite and history.bundle_id not in (None, analysis.bundle_id):
        return Unchanged(notes={"model": f"{history.bundle_id} wrote it, and stays: model.rewrite = false"})
    edits: list[FieldEdit] = []
    notes: dict[str, str] = {}
    for field in STANDARD:
        if field is Field.GROUPING and policy.grouping is FieldRule.OFF:
            continue  # nobody asked for it: no word of it
        verdict = _standard(field, inspection, analysis, policy, history)
        notes[field] = verdict.note
        old = standing(inspection.tags, field)
        if verdict.values is not None and not equal(old, verdict.values, policy.v23_separator):
            edits.append(FieldEdit(name=field, old=old, new=verdict.values))
    custom, notes[Field.CUSTOM] = _custom(inspection, analysis, policy, history, now, changed=bool(edits))
    edits += custom
    if not edits:
        return Unchanged(notes=notes)
    left = [name.lower() for name in inspection.carried if name not in {edit.name for edit in edits}]
    if left:
        notes[OLDER_TAG] = "taken over into the new one: " + ", ".join(left)
    return Edit(
        path=inspection.path,
        stat=inspection.stat,
        container=inspection.container,
        identity=inspection.identity,
        fields=tuple(edits),
        notes=notes,
        policy=policy,
        bundle_id=analysis.bundle_id,
        carried=inspection.carried,
    )


def _standard(field: Field, inspection: Inspection, analysis: Analysis, policy: Policy, history: History) -> _Verdict:
    rule = {Field.GENRE: policy.genre, Field.MOOD: policy.mood, Field.GROUPING: policy.grouping}[field]
    if rule is FieldRule.OFF:
        return _Verdict(None, "off in the settings")
    if field in history.vetoes:
        return _Verdict(None, VETOED)
    values = standing(inspection.tags, field)
    written = history.written.get(field)
    stands = written is not None and equal(values, written, policy.v23_separator)
    if written is not None and not stands and field not in history.released:
        return _Verdict(None, CHANGED_BY_USER)
    ours = stands or (not history.written and _by_another_machine(field, inspection, policy))
    if says_something(values) and not ours and rule is FieldRule.FILL:
        return _Verdict(None, "the user's own value stands")
    wanted, below = _wanted(field, analysis, policy)
    if wanted:
        return _Verdict(wanted, "the wanted value stands" if values == wanted else "to write")
    return _Verdict(
        history.before.get(field, ()) if stands else None, f"no longer sure enough: {below}" if stands else below
    )


def _wanted(field: Field, analysis: Analysis, policy: Policy) -> tuple[tuple[str, ...], str]:
    """The labels that pass their gates, as they are spelt in the standard field; and what the surest lacks."""
    head = _head(field)
    probabilities = analysis.probabilities[head]
    labels = surest(analysis, head, policy.genres if field is Field.GENRE else policy.moods)
    passed = [label for label in labels if probabilities[label] >= _gate(field, label, policy)]
    first = labels[0]
    below = f"{first} {probabilities[first]:.2f} is below the gate of {_gate(field, first, policy):.2f}"
    return tuple(policy.label_map.get(label, label) for label in passed), below


def _head(field: Field) -> str:
    """What is heard for a standard field: the grouping holds the mood."""
    return "genre" if field is Field.GENRE else "mood"


def _gate(field: Field, label: str, policy: Policy) -> float:
    if field is Field.GENRE:
        return max(policy.genre_gate, policy.genre_label_gates.get(label, 0.0))
    return max(policy.mood_gate, policy.mood_label_gates.get(label, 0.0))


def _by_another_machine(field: Field, inspection: Inspection, policy: Policy) -> bool:
    """No journal row, but the standard value is the file's own TAGGER_* value: another machine wrote it."""
    labels = _parts(inspection.tags.own, "TAGGER_" + _head(field).upper(), policy)
    spelt = tuple(policy.label_map.get(label, label) for label in labels)
    values = standing(inspection.tags, field)
    return bool(labels) and (equal(values, spelt, policy.v23_separator) or values == spelt[: len(values)] != ())


def _custom(
    inspection: Inspection, analysis: Analysis, policy: Policy, history: History, now: str, *, changed: bool
) -> tuple[list[FieldEdit], str]:
    """The TAGGER_* fields: written anew where a label changes, or beside a standard field that does."""
    if not policy.custom:
        return [], "off in the settings"
    if Field.CUSTOM in history.vetoes:
        return [], VETOED
    own = inspection.tags.own
    written = history.written.get(Field.CUSTOM)
    changed_by_user = written is not None and not _same_labels(own, written, policy)
    if changed_by_user and Field.CUSTOM not in history.released:
        return [], CHANGED_BY_USER
    wanted = custom_fields(analysis, policy, now)
    if not changed and all(equal(own.get(name, ()), wanted[name], policy.v23_separator) for name in LABEL_FIELDS):
        return [], "the wanted values stand"
    return [FieldEdit(name=name, old=own.get(name, ()), new=values) for name, values in wanted.items()], "to write"


def _same_labels(own: Mapping[str, tuple[str, ...]], written: tuple[str, ...], policy: Policy) -> bool:
    split = {name: _parts(own, name, policy) for name in LABEL_FIELDS}
    return labels_of(own) == written or labels_of(split) == written


def _parts(own: Mapping[str, tuple[str, ...]], name: str, policy: Policy) -> tuple[str, ...]:
    """The values of a field, also where its container holds several as one joined string."""
    return tuple(part for value in own.get(name, ()) for part in value.split(policy.v23_separator))
