"""CPU of what is done to a file besides decoding: its identity, and a safe write."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks import music
from benchmarks.figure import Figure
from tagger.records import Analysis, Committed, Edit, History, Inspection, Policy, Prepared
from tagger.tags.edit import propose
from tagger.tags.inspect import inspect
from tagger.tags.write import commit, prepare
from tagger.vocabulary import GENRES, MOODS

T = TypeVar("T")


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=music.BUILD) as scratch:
        paths = [os.fsencode(shutil.copy(track, Path(scratch))) for track in music.tracks(8)]
        _, inspect_s = _timed(lambda: [_inspected(path) for path in paths])
        edits = [edit_of(path) for path in paths]
        write_s = _timed(lambda: _write_all(edits))[1]
    return [
        Figure(what="CPU a track: identity and tags", ours=f"{inspect_s / len(paths):.3f} s", yardstick=""),
        Figure(what="CPU a track: verified write", ours=f"{write_s / len(paths):.3f} s", yardstick=""),
    ]


def _inspected(path: bytes) -> Inspection:
    found = inspect(path)
    assert isinstance(found, Inspection), found
    return found


def _write_all(edits: list[Edit]) -> None:
    for edit in edits:
        write(edit)


def edit_of(path: bytes) -> Edit:
    """What the tagger would write to it."""
    proposal = propose(_inspected(path), _analysis(), Policy(), History(), "2026-01-02T03:04:05Z")
    assert isinstance(proposal, Edit), proposal
    return proposal


def write(edit: Edit) -> None:
    """Prepared, verified, renamed; without the journal."""
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared), prepared
    assert isinstance(commit(prepared), Committed)


def _analysis() -> Analysis:
    return Analysis(
        bundle_id="bench-1-000000000000",
        genre="jazz",
        genre_confidence=0.9,
        mood="calm",
        mood_confidence=0.8,
        emotion="serene",
        valence=0.7,
        arousal=0.2,
        dominance=0.5,
        probabilities={
            "genre": {label: 0.9 if label == "jazz" else 0.1 / (len(GENRES) - 1) for label in GENRES},
            "mood": {label: 0.8 if label == "calm" else 0.2 / (len(MOODS) - 1) for label in MOODS},
        },
        embedding=b"",
        chunks=6,
    )


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    result = run()
    return result, time.process_time() - started
