"""Writing and undoing whole files: the promise that nothing of a user's is ever harmed."""

import errno
import os
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mutagen.id3
import pytest

from tagger.records import (
    Analysis,
    Committed,
    Dropped,
    Edit,
    Field,
    FieldRule,
    History,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
    Refused,
    Unchanged,
)
from tagger.tags import copy, recover
from tagger.tags.edit import CHANGED_BY_USER, VETOED, propose
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.undo import prepare_undo
from tagger.tags.write import abort, commit, prepare
from tagger.vocabulary import GENRES, MOODS
from tests.audio import write_audio

NOW = "2026-01-02T03:04:05Z"
POLICY = Policy(label_map={"jazz": "Jazz", "happy": "Happy", "r&b": "R&B"})
KINDS = (*("mp3", "flac", "ogg-vorbis", "ogg-opus", "ogg-flac", "m4a", "wav", "aiff", "wavpack", "wma", "dsf", "tta"),)


def analysis(genre: str = "jazz", mood: str = "happy", sure: float = 0.8, bundle_id: str = "b-1") -> Analysis:
    def spread(labels: tuple[str, ...], first: str) -> dict[str, float]:
        return {label: sure if label == first else (1 - sure) / (len(labels) - 1) for label in labels}

    return Analysis(
        bundle_id=bundle_id,
        genre=genre,
        genre_confidence=sure,
        mood=mood,
        mood_confidence=sure,
        emotion="excited",
        valence=0.71,
        arousal=0.62,
        dominance=0.5,
        probabilities={"genre": spread(GENRES, genre), "mood": spread(MOODS, mood)},
        embedding=b"",
        chunks=6,
    )


def inspected(path: Path) -> Inspection:
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection), found
    return found


def edit_of(path: Path, policy: Policy = POLICY) -> Edit:
    edit = propose(inspected(path), analysis(), policy, History(), NOW)
    assert isinstance(edit, Edit), edit
    return edit


def prepared_of(path: Path, policy: Policy = POLICY) -> Prepared:
    prepared = prepare(edit_of(path, policy))
    assert isinstance(prepared, Prepared), prepared
    return prepared


def row(prepared: Prepared, kind: JournalKind = JournalKind.WRITE) -> JournalRow:
    return JournalRow(id=1, kind=kind, state=JournalState.RENAMED, at=NOW, prepared=prepared)


@pytest.fixture(params=KINDS)
def track(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_audio(tmp_path, request.param, 0.5)


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    return write_audio(tmp_path, "mp3", 0.5)


# --- the way there and back -----------------------------------------------------------------------------------------


def test_written_then_undone_is_the_same_file_to_the_byte(track: Path) -> None:
    old, mode, mtime = track.read_bytes(), 0o640, 1_500_000_000_123_456_789
    track.chmod(mode)
    os.utime(track, ns=(mtime, mtime))
    prepared = prepared_of(track)
    assert track.read_bytes() == old
    done = commit(prepared)
    assert isinstance(done, Committed)
    tags = inspected(track).tags
    assert (tags.genre, tags.mood, len(tags.own)) == (("Jazz",), ("Happy",), 10)
    assert track.stat().st_mode & 0o777 == mode
    assert track.stat().st_mtime_ns > mtime
    undo, left = prepare_undo(os.fsencode(track), [row(prepared)], POLICY)
    assert isinstance(undo, Prepared)
    assert left == {}
    commit(undo)
    assert track.read_bytes() == old
    assert track.stat().st_mtime_ns == mtime
    assert [entry.name for entry in track.parent.iterdir()] == [track.name]


def test_several_writes_are_undone_in_one_step(track: Path) -> None:
    old = track.read_bytes()
    first = prepared_of(track)
    commit(first)
    history = History(written={Field.GENRE: ("Jazz",), Field.MOOD: ("Happy",), Field.CUSTOM: ("jazz", "happy")})
    again = propose(inspected(track), analysis("blues", "sad", bundle_id="b-2"), POLICY, history, NOW)
    assert isinstance(again, Edit)
    second = prepare(again)
    assert isinstance(second, Prepared)
    commit(second)
    assert inspected(track).tags.genre == ("blues",)
    undo, _ = prepare_undo(os.fsencode(track), [row(second), row(first)], POLICY)
    assert isinstance(undo, Prepared)
    commit(undo)
    assert track.read_bytes() == old


def test_after_somebody_elses_edit_only_our_fields_come_back(track: Path) -> None:
    prepared = prepared_of(track)
    commit(prepared)
    other = Edit(**{**_fields(edit_of_user(track, "genre", ("Polka",))), "notes": {}})
    changed = prepare(other)
    assert isinstance(changed, Prepared)
    commit(changed)
    undo, left = prepare_undo(os.fsencode(track), [row(prepared)], POLICY)
    assert isinstance(undo, Prepared)
    assert set(left) == {"genre", "undo"}
    commit(undo)
    tags = inspected(track).tags
    assert (tags.genre, tags.mood, tags.own) == (("Polka",), (), {})


def edit_of_user(path: Path, name: str, values: tuple[str, ...]) -> Edit:
    """A change as another program would make it."""
    from tagger.records import FieldEdit

    edit = edit_of_inspection(inspected(path))
    return replace(edit, fields=(FieldEdit(name=name, old=(), new=values),), bundle_id=None)


def edit_of_inspection(inspection: Inspection) -> Edit:
    return Edit(
        path=inspection.path,
        stat=inspection.stat,
        container=inspection.container,
        identity=inspection.identity,
        fields=(),
        notes={},
        policy=POLICY,
        bundle_id=None,
    )


def _fields(edit: Edit) -> dict[str, object]:
    return {name: getattr(edit, name) for name in Edit.__slots__}


def test_an_undone_file_has_nothing_more_to_undo(mp3: Path) -> None:
    prepared = prepared_of(mp3)
    commit(prepared)
    undo, _ = prepare_undo(os.fsencode(mp3), [row(prepared)], POLICY)
    assert isinstance(undo, Prepared)
    commit(undo)
    again, left = prepare_undo(os.fsencode(mp3), [row(undo, JournalKind.UNDO), row(prepared)], POLICY)
    assert isinstance(again, Unchanged)
    assert left


def test_a_path_that_is_no_utf8(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "flac", 0.5)
    odd = os.path.join(os.fsencode(tmp_path), b"new\nline \xff.flac")
    os.rename(path, odd)
    found = inspect(odd)
    assert isinstance(found, Inspection)
    edit = propose(found, analysis(), POLICY, History(), NOW)
    assert isinstance(edit, Edit)
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared)
    assert isinstance(commit(prepared), Committed)
    assert os.listdir(os.fsencode(tmp_path)) == [os.path.basename(odd)]


def test_extended_attributes_stay(mp3: Path) -> None:
    try:
        os.setxattr(mp3, "user.note", b"mine")
    except OSError:
        pytest.skip("needs a file system with extended attributes")
    commit(prepared_of(mp3))
    assert os.getxattr(mp3, "user.note") == b"mine"


def test_what_a_folder_gives_to_new_files_is_not_given_to_the_copy(mp3: Path) -> None:
    """An access list that opens every new file to user 12345 must not open one that was closed to him."""
    everybody = 0xFFFFFFFF
    entries = [(1, 7, everybody), (2, 7, 12345), (4, 5, everybody), (16, 7, everybody), (32, 5, everybody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(mp3.parent, "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("needs a file system with access lists")
    mp3.chmod(0o664)
    commit(prepared_of(mp3))
    assert os.listxattr(mp3) == []
    assert mp3.stat().st_mode & 0o777 == 0o664


def test_mtime_can_be_preserved(mp3: Path) -> None:
    os.utime(mp3, ns=(10**18, 10**18))
    commit(prepared_of(mp3, replace(POLICY, preserve_mtime=True)))
    assert mp3.stat().st_mtime_ns == 10**18


# --- what is not written --------------------------------------------------------------------------------------------


def test_a_file_that_changed_meanwhile_is_left(mp3: Path) -> None:
    prepared = prepared_of(mp3)
    with mp3.open("ab") as file:
        file.write(b"\0")
    content = mp3.read_bytes()
    assert isinstance(commit(prepared), Dropped)
    assert mp3.read_bytes() == content
    assert len(list(mp3.parent.iterdir())) == 1


def test_abort_leaves_no_trace(mp3: Path) -> None:
    old = mp3.read_bytes()
    abort(prepared_of(mp3))
    assert mp3.read_bytes() == old
    assert len(list(mp3.parent.iterdir())) == 1


def test_hard_links_and_read_only_modes_are_refused(mp3: Path) -> None:
    os.link(mp3, mp3.with_name("twin"))
    refused = propose(inspected(mp3), analysis(), POLICY, History(), NOW)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.HARD_LINKS
    assert isinstance(propose(inspected(mp3), analysis(), replace(POLICY, break_hardlinks=True), History(), NOW), Edit)
    mp3.with_name("twin").unlink()
    mp3.chmod(0o444)
    refused = propose(inspected(mp3), analysis(), POLICY, History(), NOW)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.READ_ONLY_MODE


@pytest.mark.parametrize("edited_since", [False, True])
def test_undo_honours_modes_and_hard_links(mp3: Path, edited_since: bool) -> None:
    prepared = prepared_of(mp3)
    commit(prepared)
    if edited_since:
        with_genre(mp3, "Polka")
    mp3.chmod(0o444)
    refused, _ = prepare_undo(os.fsencode(mp3), [row(prepared)], POLICY)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.READ_ONLY_MODE
    mp3.chmod(0o644)
    os.link(mp3, mp3.with_name("twin"))
    refused, _ = prepare_undo(os.fsencode(mp3), [row(prepared)], POLICY)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.HARD_LINKS
    allowed, _ = prepare_undo(os.fsencode(mp3), [row(prepared)], replace(POLICY, break_hardlinks=True))
    assert isinstance(allowed, Prepared)


def test_what_another_machine_wrote_is_ours_also_where_values_are_joined(tmp_path: Path) -> None:
    """No journal row: the standard value is known by the file's own TAGGER_* value, of which WMA makes one string."""
    path, policy = write_audio(tmp_path, "wma", 0.5), replace(POLICY, genres=2)
    commit(prepared_of(path, policy))
    assert len(inspected(path).tags.own["TAGGER_GENRE"]) == 1
    again = propose(inspected(path), analysis("r&b"), policy, History(), NOW)
    assert isinstance(again, Edit)
    assert next(field.new for field in again.fields if field.name == Field.GENRE) == ("R&B",)


def test_a_file_of_another_user_is_refused(mp3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inspected(mp3)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    for stat in (found.stat, found.stat._replace(uid=4321, gid=4322)):  # of another user, of a group that is not ours
        refused = propose(replace(found, stat=stat), analysis(), POLICY, History(), NOW)
        assert isinstance(refused, Refused)
        assert refused.reason == Reason.OWNER
    ours = found.stat._replace(uid=4321, gid=os.getegid())
    assert isinstance(propose(replace(found, stat=ours), analysis(), POLICY, History(), NOW), Edit)


def test_a_file_with_holes_is_refused(mp3: Path) -> None:
    with mp3.open("r+b") as file:
        file.truncate(mp3.stat().st_size + (1 << 20))
    if not copy.has_holes(os.open(mp3, os.O_RDONLY), mp3.stat().st_size):
        pytest.skip("needs a file system that knows holes")
    refused = prepare(edit_of(mp3))
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.SPARSE


@pytest.mark.parametrize("call", ["pwrite", "fsync", "fchmod", "copy_file_range"])
def test_a_full_disk_leaves_the_original_and_no_copy(mp3: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, edit = mp3.read_bytes(), edit_of(mp3)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    refused = prepare(edit)
    assert isinstance(refused, Refused)
    assert mp3.read_bytes() == old
    assert [entry.name for entry in mp3.parent.iterdir()] == [mp3.name]


def test_a_symbolic_link_is_no_track(mp3: Path) -> None:
    link = mp3.with_name("link.mp3")
    link.symlink_to(mp3)
    assert inspect(os.fsencode(link)).reason == "symbolic link"  # type: ignore[union-attr]


def test_an_empty_file_and_an_unknown_container(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(b"")
    assert inspect(os.fsencode(tmp_path / "a.flac")).reason == "empty file"  # type: ignore[union-attr]
    (tmp_path / "a.aac").write_bytes(b"ADIF" + bytes(500))
    unknown = inspected(tmp_path / "a.aac")
    assert unknown.refusal is not None
    assert unknown.refusal.reason == Reason.CONTAINER


# --- killed ---------------------------------------------------------------------------------------------------------

CHILD = """
import errno, os, pickle, signal, sys
from tagger.tags import replace
from tagger.tags.write import commit, make_durable, prepare
edit = pickle.loads(sys.stdin.buffer.read())
phase, step, when, way = sys.argv[1:]
room = replace if step == "exchange" else os
real = getattr(room, step)
def killed(*args, **kwargs):
    if when == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
def not_here(*args, **kwargs):
    raise OSError(errno.EPERM, "not on this file system")
if way != "link":
    os.link = not_here
if way == "plain":
    replace.exchange = not_here
if phase == "prepare":
    setattr(room, step, killed)
prepared = prepare(edit)
sys.stdout.buffer.write(pickle.dumps(prepared)); sys.stdout.flush()
setattr(room, step, killed)
commit(prepared)
make_durable(os.path.dirname(prepared.path))
"""
STEPS = [
    *(("prepare", step, "link") for step in ("copy_file_range", "fchmod", "fsync")),
    *(("commit", step, "link") for step in ("link", "replace", "unlink", "fsync")),
    *(("commit", step, "exchange") for step in ("exchange", "unlink", "fsync")),
    *(("commit", step, "plain") for step in ("replace", "fsync")),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("phase", "step", "way"), STEPS)
def test_killed_at_any_step_the_file_is_old_or_new(mp3: Path, phase: str, step: str, way: str, when: str) -> None:
    import pickle

    old, edit = mp3.read_bytes(), edit_of(mp3)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, phase, step, when, way],
        input=pickle.dumps(edit),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert bool(done.stdout) is (phase == "commit")
    renamed = phase == "commit" and (step in ("unlink", "fsync") or (when == "after" and step != "link"))
    if done.stdout:
        state = recover.settle(pickle.loads(done.stdout))
        assert state is (JournalState.RENAMED if renamed else JournalState.DROPPED)
        assert inspected(mp3).identity == edit.identity
    assert (mp3.read_bytes() == old) is not renamed
    recover.remove_strays(os.fsencode(mp3.parent), frozenset())
    assert [entry.name for entry in mp3.parent.iterdir()] == [mp3.name]


def test_a_file_that_somebody_else_changed_is_settled_as_foreign(mp3: Path) -> None:
    prepared = prepared_of(mp3)
    mp3.write_bytes(b"other")
    assert recover.settle(prepared) is JournalState.FOREIGN
    assert mp3.read_bytes() == b"other"


def test_a_write_whose_file_was_changed_before_the_crash_was_settled_can_be_undone(mp3: Path) -> None:
    prepared = prepared_of(mp3)
    commit(prepared)
    tag = mutagen.id3.ID3(mp3)
    tag.add(mutagen.id3.TIT2(encoding=3, text="by the user"))
    tag.save(mp3)
    assert recover.settle(prepared) is JournalState.RENAMED
    undo, _ = prepare_undo(os.fsencode(mp3), [row(prepared)], POLICY)
    assert isinstance(undo, Prepared)
    commit(undo)
    assert inspected(mp3).tags.own == {}


def test_another_recording_in_a_files_place_gets_nothing_back(mp3: Path, tmp_path: Path) -> None:
    prepared = prepared_of(mp3)
    commit(prepared)
    other = tmp_path / "other"
    other.mkdir()
    made = write_audio(other, "mp3", 0.5, seed=5)
    commit(prepared_of(made))
    made.replace(mp3)
    before = mp3.read_bytes()
    refused, _ = prepare_undo(os.fsencode(mp3), [row(prepared)], POLICY)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.ANOTHER
    assert mp3.read_bytes() == before


def test_a_file_whose_disk_is_away_is_settled_when_it_is_back(mp3: Path) -> None:
    prepared = prepared_of(mp3)
    commit(prepared)
    away = mp3.parent.rename(mp3.parent.with_name("away"))
    assert recover.settle(prepared) is JournalState.GONE
    away.rename(mp3.parent)
    assert recover.settle(prepared) is JournalState.RENAMED


# --- policies -------------------------------------------------------------------------------------------------------


def proposal(path: Path, policy: Policy = POLICY, history: History | None = None, sure: float = 0.8):  # type: ignore[no-untyped-def]
    return propose(inspected(path), analysis(sure=sure), policy, history or History(), NOW)


def names(edit: object) -> set[str]:
    assert isinstance(edit, Edit), edit
    return {field.name for field in edit.fields if not field.name.startswith("TAGGER_")}


def with_genre(path: Path, *values: str) -> Path:
    prepared = prepare(edit_of_user(path, "genre", values))
    assert isinstance(prepared, Prepared)
    commit(prepared)
    return path


def test_fill_leaves_the_users_value(mp3: Path) -> None:
    assert names(proposal(with_genre(mp3, "Polka"))) == {"mood"}


@pytest.mark.parametrize("nothing", ["Unknown", "other", "None", "Genre"])
def test_words_that_say_nothing_are_no_value(mp3: Path, nothing: str) -> None:
    assert names(proposal(with_genre(mp3, nothing))) == {"genre", "mood"}


def test_overwrite_replaces_it_and_off_does_not_touch(mp3: Path) -> None:
    with_genre(mp3, "Polka")
    assert names(proposal(mp3, replace(POLICY, genre=FieldRule.OVERWRITE))) == {"genre", "mood"}
    assert names(proposal(mp3, replace(POLICY, mood=FieldRule.OFF, genre=FieldRule.OVERWRITE))) == {"genre"}


def test_gates_hold_back_the_standard_fields_only(mp3: Path) -> None:
    unsure = proposal(mp3, sure=0.4)
    assert names(unsure) == set()
    assert "below the gate" in unsure.notes[Field.GENRE]
    gated = proposal(mp3, replace(POLICY, genre_label_gates={"jazz": 0.9}))
    assert names(gated) == {"mood"}
    assert {field.name for field in gated.fields} > {"TAGGER_GENRE", "TAGGER_MOOD"}


def test_nothing_is_written_where_the_values_stand(track: Path) -> None:
    commit(prepared_of(track))
    history = History(written={Field.GENRE: ("Jazz",), Field.MOOD: ("Happy",), Field.CUSTOM: ("jazz", "happy")})
    assert isinstance(proposal(track, history=history), Unchanged)
    assert isinstance(proposal(track), Unchanged)  # and where no journal knows of it
    other = propose(inspected(track), analysis(sure=0.7, bundle_id="b-2"), POLICY, history, NOW)
    assert isinstance(other, Unchanged)  # changed decimals and names of models alone


def test_vetoes_and_changes_of_the_user_hold(mp3: Path) -> None:
    commit(prepared_of(mp3))
    with_genre(mp3, "Polka")
    history = History(written={Field.GENRE: ("Jazz",), Field.MOOD: ("Happy",), Field.CUSTOM: ("jazz", "happy")})
    unchanged = proposal(mp3, history=history)
    assert isinstance(unchanged, Unchanged)
    assert unchanged.notes[Field.GENRE] == CHANGED_BY_USER
    vetoed = proposal(mp3, history=History(vetoes=frozenset(Field)))
    assert isinstance(vetoed, Unchanged)
    assert vetoed.notes[Field.MOOD] == VETOED


def test_a_later_bundle_that_is_unsure_takes_its_value_back(mp3: Path) -> None:
    commit(prepared_of(mp3))
    history = History(written={Field.GENRE: ("Jazz",), Field.MOOD: ("Happy",), Field.CUSTOM: ("jazz", "happy")})
    edit = proposal(mp3, history=history, sure=0.3)
    assert {field.name: field.new for field in edit.fields if field.name in ("genre", "mood")} == {
        "genre": (),
        "mood": (),
    }


def test_a_users_value_that_agrees_with_us_is_not_ours(mp3: Path) -> None:
    """We wrote only TAGGER_* beside it; a later bundle that says otherwise must not touch it."""
    commit(prepared_of(with_genre(mp3, "Jazz")))
    history = History(written={Field.MOOD: ("Happy",), Field.CUSTOM: ("jazz", "happy")})
    later = propose(inspected(mp3), analysis("rock", "sad"), POLICY, history, NOW)
    assert names(later) == {"mood"}


def test_several_labels_stand_surest_first(mp3: Path) -> None:
    policy = replace(POLICY, moods=2, mood_gate=0.05)
    edit = proposal(mp3, policy)
    moods = {field.name: field.new for field in edit.fields}
    assert moods["mood"][0] == "Happy"
    assert len(moods["mood"]) == len(moods["TAGGER_MOOD"]) == len(moods["TAGGER_MOOD_CONFIDENCE"]) == 2


def test_custom_fields_can_be_left_out(mp3: Path) -> None:
    edit = proposal(mp3, replace(POLICY, custom=False))
    assert {field.name for field in edit.fields} == {"genre", "mood"}


# --- the mood as grouping -------------------------------------------------------------------------------------------

DJ = replace(POLICY, grouping=FieldRule.FILL)


def with_grouping(path: Path, *values: str) -> Path:
    prepared = prepare(edit_of_user(path, "grouping", values))
    assert isinstance(prepared, Prepared)
    commit(prepared)
    return path


def test_a_grouping_is_written_where_it_is_asked_for_and_comes_back_to_the_byte(track: Path) -> None:
    assert "grouping" not in names(proposal(track))
    assert Field.GROUPING not in proposal(track).notes
    before = track.read_bytes()
    written = prepared_of(track, DJ)
    commit(written)
    tags = inspected(track).tags
    assert tags.grouping == tags.mood == ("Happy",)
    undo, left = prepare_undo(os.fsencode(track), [row(written)], DJ)
    assert isinstance(undo, Prepared), undo
    commit(undo)
    assert track.read_bytes() == before
    assert left == {}


def test_a_grouping_of_the_user_stays_unless_he_says_overwrite(mp3: Path) -> None:
    with_grouping(mp3, "Peak time")
    filled = proposal(mp3, DJ)
    assert names(filled) == {"genre", "mood"}
    assert filled.notes[Field.GROUPING] == "the user's own value stands"
    assert names(proposal(mp3, replace(POLICY, grouping=FieldRule.OVERWRITE))) == {"genre", "mood", "grouping"}


def test_a_grouping_has_the_gate_and_the_number_of_the_mood_not_its_rule(mp3: Path) -> None:
    assert names(proposal(mp3, replace(DJ, mood_gate=0.9))) == {"genre"}
    assert names(proposal(mp3, replace(DJ, mood=FieldRule.OFF))) == {"genre", "grouping"}
    several = proposal(mp3, replace(DJ, moods=2, mood_gate=0.05))
    fields = {field.name: field.new for field in several.fields}
    assert fields["grouping"] == fields["mood"]
    assert len(fields["mood"]) == 2


def test_a_grouping_that_the_user_changed_or_took_back_is_his(mp3: Path) -> None:
    commit(prepared_of(mp3, DJ))
    assert isinstance(proposal(mp3, DJ), Unchanged)  # and where no journal knows of it, it is ours
    assert names(propose(inspected(mp3), analysis("jazz", "sad"), DJ, History(), NOW)) == {"mood", "grouping"}
    history = History(written={Field.MOOD: ("Happy",), Field.GROUPING: ("Happy",), Field.CUSTOM: ("jazz", "happy")})
    with_grouping(mp3, "Peak time")
    assert proposal(mp3, DJ, history=history).notes[Field.GROUPING] == CHANGED_BY_USER
    vetoed = replace(history, vetoes=frozenset({Field.GROUPING}))
    assert proposal(mp3, replace(DJ, grouping=FieldRule.OVERWRITE), history=vetoed).notes[Field.GROUPING] == VETOED


# --- folders that are only read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["{}", "{}/", "{}/../{.name}", "/"])
def test_nothing_is_written_in_a_folder_that_is_only_read(mp3: Path, named: str) -> None:
    folder = named.format(mp3.parent, mp3.parent)
    refused = proposal(mp3, replace(POLICY, read_only=("/elsewhere", folder)))
    assert refused == Refused(reason=Reason.READ_ONLY_FOLDER, detail=folder)


def test_other_folders_are_written_also_where_their_names_begin_alike(mp3: Path) -> None:
    alike = str(mp3.parent)[:-1]
    assert isinstance(proposal(mp3, replace(POLICY, read_only=(alike, str(mp3.parent / "deeper"), str(mp3)))), Edit)


def test_a_folder_is_only_read_by_each_of_its_names(mp3: Path) -> None:
    link = mp3.parent / "link"
    lent = mp3.parent / "lent"
    lent.mkdir()
    link.symlink_to(lent)
    mp3 = mp3.rename(lent / mp3.name)
    for path, folder in ((mp3, link), (link / mp3.name, lent)):
        assert isinstance(proposal(path, replace(POLICY, read_only=(str(folder),))), Refused)


def test_what_was_written_before_a_folder_became_read_only_can_be_undone(track: Path) -> None:
    policy = replace(POLICY, read_only=(str(track.parent),))
    before = track.read_bytes()
    written = prepared_of(track)
    commit(written)
    undo, _ = prepare_undo(os.fsencode(track), [row(written)], policy)
    assert isinstance(undo, Prepared), undo
    commit(undo)
    assert track.read_bytes() == before
