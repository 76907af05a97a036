"""The odd MP3, WAV, AIFF, DSF and TTA files of other projects, through the dry run, the write and the undo."""

import os
import shutil
from pathlib import Path

from tagger.records import (
    Analysis,
    Committed,
    Edit,
    History,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
)
from tagger.tags.edit import propose
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.rehearsal import rehearse
from tagger.tags.undo import prepare_undo
from tagger.tags.write import commit, prepare
from tagger.vocabulary import GENRES, MOODS

NOW = "2026-01-02T03:04:05Z"
POLICY = Policy(label_map={"jazz": "Jazz", "happy": "Happy"})
SUFFIXES = {".mp3", ".wav", ".aif", ".aiff", ".dsf", ".tta", ".id3"}
REFUSED = {
    # the tag is behind the audio, and names a genre; Audacious alone reads it there, and would go on showing it
    "audacious-trailing-id32-apev2.mp3": Reason.ID3_TWICE,
    "audacious-trailing-id32-id31.mp3": Reason.ID3_TWICE,
    # tags without any audio
    "id3v23_unsynch.mp3": Reason.CONTAINER,
    "id3v24_extended_header.mp3": Reason.CONTAINER,
}


def analysis() -> Analysis:
    def spread(labels: tuple[str, ...], first: str) -> dict[str, float]:
        return {label: 0.8 if label == first else 0.2 / (len(labels) - 1) for label in labels}

    return Analysis(
        bundle_id="b-1",
        genre="jazz",
        genre_confidence=0.8,
        mood="happy",
        mood_confidence=0.8,
        emotion="excited",
        valence=0.71,
        arousal=0.62,
        dominance=0.5,
        probabilities={"genre": spread(GENRES, "jazz"), "mood": spread(MOODS, "happy")},
        embedding=b"",
        chunks=6,
    )


def reason_or_undone(path: Path) -> Reason | None:
    """Why a file is refused; None where it is written as the dry run promised, and undone to the byte."""
    old = path.read_bytes()
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection), found
    edit = propose(found, analysis(), POLICY, History(), NOW)
    if not isinstance(edit, Edit):
        assert found.refusal, edit
        return Reason(found.refusal.reason)
    assert rehearse(edit) is None
    prepared = prepare(edit)
    assert path.read_bytes() == old
    if not isinstance(prepared, Prepared):
        return Reason(prepared.reason)
    assert isinstance(commit(prepared), Committed)
    row = JournalRow(id=1, kind=JournalKind.WRITE, state=JournalState.RENAMED, at=NOW, prepared=prepared)
    undo, left = prepare_undo(os.fsencode(path), [row], POLICY)
    assert isinstance(undo, Prepared)
    assert left == {}
    assert isinstance(commit(undo), Committed)
    assert path.read_bytes() == old
    return None


def test_odd_files_are_written_and_undone_or_refused_by_name(shared_data: Path, tmp_path: Path) -> None:
    refused: dict[str, Reason] = {}
    written = 0
    for odd in sorted((shared_data / "data" / "odd-files").rglob("*.*")):
        if odd.suffix in SUFFIXES and odd.stat().st_size:
            path = tmp_path / odd.with_suffix(".mp3" if odd.suffix == ".id3" else odd.suffix).name
            shutil.copyfile(odd, path)
            reason = reason_or_undone(path)
            written += reason is None
            if reason is not None:
                refused[path.name] = reason
    assert refused == REFUSED
    assert written >= 54
