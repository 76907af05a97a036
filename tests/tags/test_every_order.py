"""Whose a genre is after scans, edits by the user, undos, `write --again` and new models in every order.

A model of one file: its genre, and in place of its bytes a text that changes with every writer. Deciding, planning an
undo and reading the journal are the program's own.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tagger import ownership
from tagger.daemon import undoing
from tagger.records import (
    Analysis,
    Edit,
    Field,
    FieldRule,
    FileStat,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
    TagValues,
    UndoPlan,
)
from tagger.tags import undo
from tagger.tags.edit import CHANGED_BY_USER, propose
from tagger.vocabulary import MOODS

PATH = b"/music/a.flac"
STAT = FileStat(
    device=1, inode=1, size_bytes=9, mtime_ns=1, ctime_ns=1, nlink=1, uid=os.geteuid(), gid=os.getegid(), mode=0o100644
)
Values = tuple[str, ...]
Event = Callable[["Life"], "Life"]
HEARD: tuple[tuple[str, float], ...] = (("Jazz", 0.8), ("Rock", 0.8), ("Rock", 0.3))
"""What one model after the other says."""
LENGTH = 5
FILL = Policy(mood=FieldRule.OFF, custom=False)


@dataclass(frozen=True, kw_only=True)
class Life:
    """The file, what the journal holds of it, and whose its value is by a reckoning of the test's own."""

    genre: Values
    content: str
    policy: Policy = FILL
    heard: int = 0
    rows: tuple[JournalRow, ...] = ()  # newest first
    vetoed: bool = False
    ours: tuple[tuple[int, Values], ...] = ()  # what we wrote on the user's value and was not undone: row and value
    own: Values = ()  # the user's last value, as far as we have seen it
    undone: bool = False  # and not written again
    touched: bool = False  # by the user, since the oldest write that is not undone

    @property
    def is_ours(self) -> bool:
        return self.stands and self.genre != self.own

    @property
    def stands(self) -> bool:
        """What we wrote last; the user's value, where that is what we gave back."""
        return bool(self.ours) and self.genre == self.ours[-1][1]

    def inspection(self) -> Inspection:
        return Inspection(
            path=PATH, stat=STAT, identity="1:a", container="flac", codec="flac", length_seconds=1.0, channels=2,
            tags=TagValues(genre=self.genre),
        )  # fmt: skip


def analysis(number: int) -> Analysis:
    genre, sure = HEARD[number]
    return Analysis(
        bundle_id="b", genre=genre, genre_confidence=sure, mood="calm", mood_confidence=0.0, emotion="serene",
        valence=0.5, arousal=0.5, dominance=0.5, embedding=b"", chunks=1,
        probabilities={"genre": {genre: sure}, "mood": dict.fromkeys(MOODS, 0.0)},
    )  # fmt: skip


def journalled(life: Life, kind: JournalKind, genre: Values, content: str, undoes: tuple[int, ...] = ()) -> Life:
    prepared = Prepared(
        path=PATH, temp_name=b"t", temp_inode=1, stat_before=STAT, hash_before=life.content, hash_after=content,
        identity="1:a", undo_record=b"r", written={"genre": genre}, replaced={"genre": life.genre}, bundle_id="b",
    )  # fmt: skip
    number = len(life.rows) + 1
    row = JournalRow(id=number, kind=kind, state=JournalState.RENAMED, at="t", prepared=prepared, undoes=undoes)
    rows = (row, *(replace(one, undone=one.undone or one.id in undoes) for one in life.rows))
    return replace(life, rows=rows, genre=genre, content=content)


# --- what may happen ------------------------------------------------------------------------------------------------


def scan(life: Life) -> Life:
    vetoes = {Field.GENRE} if life.vetoed else set()
    history = ownership.history(life.rows, vetoes)
    proposal = propose(life.inspection(), analysis(life.heard), life.policy, history, "now")
    if not isinstance(proposal, Edit):
        assert not hasattr(proposal, "reason"), proposal
        changed = proposal.notes[Field.GENRE] == CHANGED_BY_USER
        return replace(life, vetoed=life.vetoed or changed)
    (edit,) = proposal.fields
    after = journalled(life, JournalKind.WRITE, edit.new, f"{life.content}>{edit.new}")
    assert not life.undone, "what was undone was written again"
    assert not life.vetoed
    if life.is_ours:
        assert edit.new in (("Jazz",), ("Rock",), life.own)
    else:
        assert life.policy.genre is FieldRule.OVERWRITE or not life.genre, "a value of the user was overwritten"
    standing = any(row.kind is JournalKind.WRITE and not row.undone for row in life.rows)
    if not life.stands:
        after = replace(after, own=life.genre, ours=())
    return replace(after, ours=(*after.ours, (after.rows[0].id, edit.new)), touched=life.touched and standing)


def user(value: Values) -> Event:
    def edited(life: Life) -> Life:
        return replace(life, genre=value, content=f"{life.content}<{value}", touched=True)

    return edited


def take_back(life: Life) -> Life:
    """All that we ever wrote."""
    selected = {row.id for row in writes(life)}
    after = _undone(life, selected)
    if after.content == life.content:
        assert not life.is_ours, "it was not taken back"
        return life
    assert after.genre == (life.own if life.is_ours else life.genre)
    if not life.touched:
        oldest = [row for row in writes(life) if not row.undone][-1]
        assert after.content == oldest.prepared.hash_before, "not as it was to the byte"
    return replace(after, ours=(), touched=False)


def take_newest_back(life: Life) -> Life:
    """The newest write alone."""
    newest = next((row for row in writes(life) if not row.undone), None)
    after = _undone(life, {newest.id} if newest else set())
    if newest is None or after.content == life.content:
        return life
    if not life.touched:
        assert after.content == newest.prepared.hash_before, "not as it was to the byte"
    assert life.stands
    below = [one for one in life.ours if one[0] != newest.id]
    assert after.genre == (below[-1][1] if below else life.own)
    return replace(after, ours=tuple(below))


def writes(life: Life) -> list[JournalRow]:
    return [row for row in life.rows if row.kind is JournalKind.WRITE]


def _undone(life: Life, selected: set[int]) -> Life:
    plan, chain = undo._planned(PATH, life.rows, life.policy, selected)
    assert isinstance(plan, UndoPlan), plan
    if not plan.comes_back:
        return life
    (edit,) = plan.fields
    content = chain[-1].prepared.hash_before if plan.exact else f"{life.content}~"
    after = journalled(life, JournalKind.UNDO, edit.new, content, tuple(undoing._taken_back(life.rows, selected)))
    assert ownership.taken_back(after.rows, after.rows[0].id) == {"genre"}
    return replace(after, vetoed=True, undone=True)


def again(life: Life) -> Life:
    rows = tuple(replace(row, released=True) for row in life.rows)
    after = scan(replace(life, rows=rows, vetoed=False, undone=False))
    assert not after.vetoed, "what was lifted is vetoed again"
    return after


def new_model(life: Life) -> Life:
    return scan(replace(life, heard=(life.heard + 1) % len(HEARD)))


def other_policy(life: Life) -> Life:
    rule = FieldRule.OVERWRITE if life.policy.genre is FieldRule.FILL else FieldRule.FILL
    return scan(replace(life, policy=replace(life.policy, genre=rule)))


EVENTS: dict[str, Event] = {
    "scan": scan,
    "Polka": user(("Polka",)),
    "Jazz": user(("Jazz",)),
    "empty": user(()),
    "undo": take_back,
    "undo the newest": take_newest_back,
    "again": again,
    "new model": new_model,
    "other policy": other_policy,
}


@pytest.mark.parametrize("start", [(), ("Polka",)])
def test_every_order(start: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    now: list[Life] = []
    monkeypatch.setattr(undo, "_look", lambda path: (STAT, now[0].content))
    monkeypatch.setattr(undo, "inspect", lambda path: now[0].inspection())

    def live(life: Life, story: tuple[str, ...]) -> None:
        for name, event in EVENTS.items():
            now[:] = [life]
            try:
                after = event(life)
            except AssertionError as error:
                raise AssertionError(f"{start}: {', '.join((*story, name))}: {error}") from error
            if len(story) + 1 < LENGTH and after != life:
                live(after, (*story, name))

    live(Life(genre=start, content=str(start), own=start), ())
