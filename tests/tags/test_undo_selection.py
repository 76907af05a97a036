"""Undo of some of a file's writes: to the byte where it can be, else field by field, and said beforehand."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.records import (
    Edit,
    FieldEdit,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
    Refused,
    UndoPlan,
)
from tagger.tags.fields import standing
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.undo import foresee_undo, prepare_undo
from tagger.tags.write import commit, prepare
from tests.audio import write_audio

POLICY = Policy()
Values = dict[str, tuple[str, ...]]


@pytest.fixture(params=["mp3", "flac", "m4a"])
def track(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_audio(tmp_path, request.param, 0.5)


def values(path: Path, *names: str) -> Values:
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection)
    return {name: standing(found.tags, name) for name in names}


def change(path: Path, fields: Mapping[str, str]) -> Prepared:
    """Writes these values, as we do, or as a stranger does when nobody keeps the row."""
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection)
    edits = tuple(
        FieldEdit(name=name, old=standing(found.tags, name), new=(value,) if value else ())
        for name, value in fields.items()
    )
    prepared = prepare(
        Edit(
            path=found.path, stat=found.stat, container=found.container, identity=found.identity, fields=edits,
            notes={}, policy=POLICY, bundle_id="b-1",
        )
    )  # fmt: skip
    assert isinstance(prepared, Prepared), prepared
    commit(prepared)
    return prepared


def row(number: int, prepared: Prepared, **more: object) -> JournalRow:
    values = {"kind": JournalKind.WRITE, "state": JournalState.RENAMED, "at": "t", **more}
    return JournalRow(id=number, prepared=prepared, **values)  # type: ignore[arg-type]


def undo(path: Path, rows: Sequence[JournalRow], selected: set[int]) -> dict[str, str]:
    """Takes back, after a plan that must have said the same; what was left and why."""
    before = (path.read_bytes(), path.stat(), path.parent.stat().st_mtime_ns)
    plan = foresee_undo(os.fsencode(path), rows, POLICY, selected)
    assert (path.read_bytes(), path.stat(), path.parent.stat().st_mtime_ns) == before
    assert isinstance(plan, UndoPlan), plan
    done, left = prepare_undo(os.fsencode(path), rows, POLICY, selected)
    assert left == plan.left
    if isinstance(done, Prepared):
        commit(done)
        assert {edit.name: edit.new for edit in plan.fields} == done.written
        assert values(path, *done.written) == done.written
    assert isinstance(done, Prepared) == plan.comes_back
    return dict(left)


def test_the_newest_write_alone_goes_back_to_the_byte(track: Path) -> None:
    first = change(track, {"genre": "Jazz", "mood": "Happy"})
    between = track.read_bytes()
    second = change(track, {"genre": "Rock"})
    assert undo(track, [row(2, second), row(1, first)], {2}) == {}
    assert track.read_bytes() == between


def test_what_is_left_after_that_goes_back_to_the_byte_too(track: Path) -> None:
    old = track.read_bytes()
    first, second = change(track, {"genre": "Jazz"}), change(track, {"genre": "Rock"})
    undo(track, [row(2, second), row(1, first)], {2})
    assert undo(track, [row(2, second, undone=True), row(1, first)], {1, 2}) == {}
    assert track.read_bytes() == old


def test_a_write_beneath_another_comes_back_field_by_field_where_it_still_holds(track: Path) -> None:
    first = change(track, {"genre": "Jazz", "mood": "Happy"})
    second = change(track, {"genre": "Rock"})
    left = undo(track, [row(2, second), row(1, first)], {1})
    assert "later write" in left["undo"]
    assert "later write" in left["genre"]
    assert values(track, "genre", "mood") == {"genre": ("Rock",), "mood": ()}
    # the later one, taken back in its turn, does not bring back what was undone beneath it
    change(track, {"TAGGER_MODEL": "a stranger's"})
    undo(track, [row(2, second), row(1, first, undone=True)], {2})
    assert values(track, "genre", "mood") == {"genre": (), "mood": ()}


def test_writes_around_one_that_stays_come_back_field_by_field(track: Path) -> None:
    rows = [
        row(number, change(track, fields))
        for number, fields in enumerate(({"genre": "Jazz"}, {"mood": "Happy"}, {"genre": "Rock"}), start=1)
    ]
    left = undo(track, rows[::-1], {1, 3})
    assert left == {"undo": "field by field, not to the byte: a write in between is not among those chosen"}
    assert values(track, "genre", "mood") == {"genre": (), "mood": ("Happy",)}


def test_a_value_that_somebody_set_between_two_writes_is_his(track: Path) -> None:
    first = change(track, {"genre": "Jazz"})
    change(track, {"genre": "Polka"})
    second = change(track, {"genre": "Rock"})
    left = undo(track, [row(2, second), row(1, first)], {1, 2})
    assert "in between" in left["undo"]
    assert values(track, "genre") == {"genre": ("Polka",)}


def test_an_undone_write_of_long_ago_does_not_hide_what_stood_since(track: Path) -> None:
    """Jazz was written and undone, the user wrote Polka, we wrote Jazz again: undo gives Polka back."""
    first = change(track, {"genre": "Jazz"})
    change(track, {"genre": "Polka"})
    second = change(track, {"genre": "Jazz"})
    change(track, {"mood": "Odd"})  # a stranger: not to the byte
    undo(track, [row(2, second), row(1, first, undone=True)], {2})
    assert values(track, "genre", "mood") == {"genre": ("Polka",), "mood": ("Odd",)}


def test_a_pruned_record_leaves_the_fields(track: Path) -> None:
    old = values(track, "genre", "TAGGER_MOOD")
    first = change(track, {"genre": "Jazz", "TAGGER_MOOD": "happy"})
    left = undo(track, [row(1, replace(first, undo_record=b""))], {1})
    assert left == {"undo": "field by field, not to the byte: its undo record was pruned"}
    assert values(track, "genre", "TAGGER_MOOD") == old


def test_a_record_that_does_not_give_the_file_back_is_known_beforehand(track: Path) -> None:
    first = change(track, {"genre": "Jazz"})
    wrong = row(1, replace(first, hash_before="0" * 64))
    refused = foresee_undo(os.fsencode(track), [wrong], POLICY)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.NO_UNDO


@pytest.mark.parametrize("pruned", [False, True])
def test_a_folder_that_nobody_may_write_to_is_known_beforehand(
    track: Path, monkeypatch: pytest.MonkeyPatch, pruned: bool
) -> None:
    first = change(track, {"genre": "Jazz"})
    rows = [row(1, replace(first, undo_record=b"") if pruned else first)]
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    refused = foresee_undo(os.fsencode(track), rows, POLICY)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.READ_ONLY_PLACE


def test_nothing_of_what_is_selected_may_be_left(track: Path) -> None:
    first, second = change(track, {"genre": "Jazz"}), change(track, {"genre": "Rock"})
    content = track.read_bytes()
    rows = [row(2, second), row(1, first)]
    assert "later write" in undo(track, rows, {1})["genre"]
    assert set(undo(track, rows, {7})) == {"undo"}
    assert track.read_bytes() == content


@pytest.mark.parametrize("selected", [{2}, {1, 2}])
def test_after_our_own_undo_of_fields_the_first_original_still_comes_back_to_the_byte(
    track: Path, selected: set[int]
) -> None:
    old = track.read_bytes()
    first = change(track, {"genre": "Jazz", "mood": "Happy"})
    second = change(track, {"genre": "Rock"})
    fields, _ = prepare_undo(os.fsencode(track), [row(2, second), row(1, first)], POLICY, {1})
    assert isinstance(fields, Prepared)
    commit(fields)
    rows = [row(3, fields, kind=JournalKind.UNDO, undoes=(1,)), row(2, second), row(1, first, undone=True)]
    assert undo(track, rows, selected) == {}
    assert track.read_bytes() == old


def test_what_stays_beneath_our_own_undo_of_fields_is_not_lost(track: Path) -> None:
    first, second, third = (change(track, {name: "A"}) for name in ("genre", "mood", "TAGGER_MOOD"))
    between = track.read_bytes()
    fields, _ = prepare_undo(os.fsencode(track), [row(3, third), row(2, second), row(1, first)], POLICY, {1})
    assert isinstance(fields, Prepared)
    commit(fields)
    assert track.read_bytes() != between
    rows = [row(4, fields, kind=JournalKind.UNDO, undoes=(1,)), row(3, third), row(2, second)]
    undo(track, [*rows, row(1, first, undone=True)], {3})
    assert values(track, "genre", "mood", "TAGGER_MOOD") == {"genre": (), "mood": ("A",), "TAGGER_MOOD": ()}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("moved", [False, True])
def test_rows_of_a_copy_that_is_gone_do_not_hold_up_the_other(track: Path, order: tuple[int, int], moved: bool) -> None:
    old = track.read_bytes()
    copy = track.with_name(f"copy{track.suffix}")
    copy.write_bytes(old)
    change(copy, {"mood": "Sad"})
    gone, own = change(copy, {"genre": "Rock"}), change(track, {"genre": "Jazz"})
    copy.unlink()
    if moved:
        track = track.rename(track.with_name(f"moved{track.suffix}"))
    rows = sorted((row(order[0], gone), row(order[1], own)), key=lambda one: -one.id)
    assert undo(track, rows, {1, 2}) == {}
    assert track.read_bytes() == old
