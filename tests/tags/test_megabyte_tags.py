"""Values of a megabyte in tags of every kind: written beside, undone, and not too many times in memory."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutagen
import mutagen.asf
import mutagen.id3
import pytest

from tagger.records import Edit, FieldEdit, Inspection, JournalKind, JournalRow, JournalState, Policy, Prepared
from tagger.tags.inspect import inspect
from tagger.tags.undo import prepare_undo
from tagger.tags.write import commit, prepare
from tests import ape_files
from tests.audio import write_audio

LONG = "../\x1b[2J\u202e" + "M" * 1_000_000
_MOST_TIMES = 20  # of the file's size: the tag before and after, as bytes and as text, and mutagen's own


def _id3(tags: Any) -> None:
    for frame in (mutagen.id3.TPE1, mutagen.id3.TCON, mutagen.id3.TIT1):
        tags.add(frame(encoding=3, text=LONG))
    tags.add(mutagen.id3.TXXX(encoding=3, desc=LONG, text=LONG))


def _names(*names: str) -> Callable[[Any], None]:
    return lambda tags: tags.update(dict.fromkeys(names, LONG))


def _asf(tags: Any) -> None:
    tags["Title"], tags["WM/Genre"] = LONG[:30_000], mutagen.asf.ASFUnicodeAttribute(LONG)


_COMMENT = _names("ARTIST", "GENRE", "GROUPING")
_FILLED: dict[str, Callable[[Any], None]] = {
    **dict.fromkeys(("mp3", "wav", "tta"), _id3),
    **dict.fromkeys(("flac", "ogg-vorbis", "ogg-opus"), _COMMENT),
    **dict.fromkeys(("wavpack", "musepack 8", "monkeys"), _names("Artist", "Genre", "Grouping")),
    "m4a": _names("\xa9ART", "\xa9gen", "\xa9grp"),
    "wma": _asf,
}


@pytest.mark.parametrize("kind", _FILLED)
def test_values_of_a_megabyte(kind: str, tmp_path: Path) -> None:
    path = (ape_files.write if kind in ape_files.KINDS else write_audio)(tmp_path, kind, *_short(kind))
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    _FILLED[kind](file.tags)
    file.save()
    content = path.read_bytes()
    tracemalloc.start()
    try:
        _write_and_undo(path)
        assert tracemalloc.get_traced_memory()[1] < _MOST_TIMES * len(content)
    finally:
        tracemalloc.stop()
    assert path.read_bytes() == content


def _short(kind: str) -> tuple[float, ...]:
    return () if kind in ape_files.KINDS else (0.2,)


def _write_and_undo(path: Path) -> None:
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection)
    assert found.refusal is None
    assert found.tags.genre == (LONG,)
    edit = Edit(
        path=found.path,
        stat=found.stat,
        container=found.container,
        identity=found.identity,
        fields=(FieldEdit(name="genre", old=(LONG,), new=("Jazz",)), FieldEdit(name="mood", old=(), new=("Calm",))),
        notes={},
        policy=Policy(),
        bundle_id=None,
    )
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared), prepared
    commit(prepared)
    row = JournalRow(id=1, kind=JournalKind.WRITE, state=JournalState.RENAMED, at="2026-01-02", prepared=prepared)
    back, left = prepare_undo(os.fsencode(path), [row], Policy())
    assert isinstance(back, Prepared), (back, left)
    commit(back)
