"""A dry run foresees what a write would be refused for, and leaves nothing behind."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tagger.records import Edit, FieldEdit, Inspection, Policy, Prepared, Refused
from tagger.tags import copy
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.rehearsal import rehearse
from tagger.tags.write import abort, prepare
from tests.audio import write_audio


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    path = write_audio(tmp_path, "flac", 0.5)
    found = inspect(bytes(path))
    assert isinstance(found, Inspection)
    return Edit(
        path=found.path,
        stat=found.stat,
        container=found.container,
        identity=found.identity,
        fields=(FieldEdit(name="genre", old=(), new=("Jazz",)),),
        notes={},
        policy=Policy(),
        bundle_id=None,
    )


def test_what_can_be_written_is_not_refused_and_nothing_is_made(edit: Edit) -> None:
    folder = os.path.dirname(edit.path)
    before = os.stat(folder).st_mtime_ns
    assert rehearse(edit) is None
    assert (os.listdir(folder), os.stat(folder).st_mtime_ns) == ([b"track.flac"], before)


def _reason(edit: Edit) -> str:
    """What both the rehearsal and the write refuse it for."""
    foreseen, refused = rehearse(edit), prepare(edit)
    if isinstance(refused, Prepared):
        abort(refused)
    assert isinstance(foreseen, Refused)
    assert isinstance(refused, Refused)
    assert (foreseen.reason, foreseen.detail) == (refused.reason, refused.detail)
    return foreseen.reason


def test_a_file_with_holes(edit: Edit) -> None:
    with open(edit.path, "r+b") as file:
        file.truncate(edit.stat.size_bytes + (1 << 20))
        if not copy.has_holes(file.fileno(), edit.stat.size_bytes + (1 << 20)):
            pytest.skip("needs a file system that knows holes")
    found = inspect(edit.path)
    assert isinstance(found, Inspection)
    assert _reason(replace(edit, stat=found.stat)) == Reason.SPARSE


def test_a_tag_that_would_grow_past_its_block(edit: Edit) -> None:
    huge = FieldEdit(name="genre", old=(), new=("x" * (1 << 24),))
    assert _reason(replace(edit, fields=(huge,))) == Reason.COMMENT_TOO_LARGE


def test_a_full_disk(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
    assert _reason(edit) == Reason.DISK_FULL


def test_a_folder_that_nobody_may_write_to(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # the tests may run as root, who may everything
    refused = rehearse(edit)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.READ_ONLY_PLACE
