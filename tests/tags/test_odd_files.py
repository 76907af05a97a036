"""The odd files of other projects' test suites: written and undone to the byte, or refused for the reason given."""

import os
from dataclasses import replace
from pathlib import Path

from tagger.records import (
    Committed,
    Edit,
    Failure,
    FieldRule,
    History,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Prepared,
    Refused,
)
from tagger.tags.edit import propose
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.rehearsal import rehearse
from tagger.tags.undo import prepare_undo
from tagger.tags.write import commit, prepare
from tests.tags.test_tag_write import NOW, POLICY, analysis

SUFFIXES = {
    *(".m4a", ".m4b", ".mp4", ".3g2", ".wma", ".flac", ".oggflac"),
    *(".ogg", ".oga", ".opus", ".spx", ".oggtheora"),
    *(".ape", ".apev2", ".wv", ".mpc", ".aac"),
    *(".mp3", ".wav", ".aif", ".aiff", ".dsf", ".tta", ".id3"),
}

REFUSED = {
    # cut off, or with a hole in the header: FFmpeg plays none of them, of the last the beginning
    **{f"{name}.wma": Reason.DAMAGED for name in ("empty", "full", "image", "pure", "unparseable", "issue_29")},
    "truncated-64bit.mp4": Reason.DAMAGED,
    "nero-chapters.m4b": Reason.MP4_OFFSETS,  # its tables of sizes are taken out, and its audio
    "64bit.mp4": Reason.CONTAINER,  # a moov atom alone
    # blocks that are shorter than they say or longer, or without a STREAMINFO: libFLAC decodes none without errors
    "106-invalid-streaminfo.flac": Reason.DAMAGED,
    "106-short-picture-block-size.flac": Reason.DAMAGED,
    "52-overwritten-metadata.flac": Reason.DAMAGED,
    "52-too-short-block-size.flac": Reason.DAMAGED,
    "ooming-header.flac": Reason.DAMAGED,
    # several streams
    "multiplexed.spx": Reason.OGG_MULTIPLEXED,
    **{f"sample{name}.oggtheora": Reason.OGG_OTHER for name in ("", "_bitrate", "_length")},
    # a tag behind the audio names a genre: FFmpeg, TagLib and mutagen do not see it, the program that put it there does
    "audacious-trailing-id32-apev2.mp3": Reason.ID3_TWICE,
    "audacious-trailing-id32-id31.mp3": Reason.ID3_TWICE,
    # tags without any audio
    "id3v23_unsynch.mp3": Reason.CONTAINER,
    "id3v24_extended_header.mp3": Reason.CONTAINER,
    # not of a kind that is written
    "empty.aac": Reason.ADTS,
    "adif.aac": Reason.CONTAINER,
    "sv4_header.mpc": Reason.CONTAINER,
    "sv5_header.mpc": Reason.CONTAINER,
    "almostempty.mpc": Reason.CONTAINER,  # the mark of its audio is cut off
    **{f"{name}.apev2": Reason.CONTAINER for name in ("145-invalid-item-count", "brokentag", "oldtag")},  # no audio
    "empty.oggflac": Reason.WRONG_SUFFIX,
    "no-tags.3g2": Reason.WRONG_SUFFIX,
}


def test_each_is_written_and_undone_to_the_byte_or_refused(shared_data: Path, tmp_path: Path) -> None:
    outcomes: dict[str, str] = {}
    for source in sorted((shared_data / "data" / "odd-files").rglob("*.*")):
        if source.suffix in SUFFIXES and source.stat().st_size:
            path = tmp_path / source.name.replace(".id3", ".mp3")
            path.write_bytes(source.read_bytes())
            outcomes[source.parent.name + "/" + path.name] = outcome(path)
            assert path.read_bytes() == source.read_bytes(), source
            path.unlink()
            assert list(tmp_path.iterdir()) == [], source
    refused = {name.partition("/")[2]: why for name, why in outcomes.items() if why != "undone"}
    assert refused == REFUSED
    assert len(outcomes) - len(refused) > 110


def outcome(path: Path) -> str:
    """Written over the user's values, and undone; or the reason, which the dry run gave as well."""
    found = inspect(os.fsencode(path))
    assert not isinstance(found, Failure)
    policy = replace(POLICY, genre=FieldRule.OVERWRITE, mood=FieldRule.OVERWRITE, grouping=FieldRule.OVERWRITE)
    edit = propose(found, analysis(), policy, History(), NOW)
    if isinstance(edit, Refused):
        return edit.reason
    assert isinstance(edit, Edit)
    foreseen = rehearse(edit)
    prepared = prepare(edit)
    if isinstance(prepared, Refused):
        assert foreseen == prepared
        return prepared.reason
    assert foreseen is None
    assert isinstance(prepared, Prepared)
    assert isinstance(commit(prepared), Committed)
    written = inspect(os.fsencode(path))
    assert isinstance(written, Inspection)
    assert (written.tags.genre, written.tags.mood, written.tags.grouping) == (("Jazz",), ("Happy",), ("Happy",))
    row = JournalRow(id=1, kind=JournalKind.WRITE, state=JournalState.RENAMED, at=NOW, prepared=prepared)
    undo, left = prepare_undo(os.fsencode(path), [row], policy)
    assert (isinstance(undo, Prepared), left) == (True, {})
    commit(undo)
    return "undone"


def test_a_genre_that_other_programs_left_is_not_written_over(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "full.m4a"
    path.write_bytes((shared_data / "data" / "odd-files" / "mediafile" / "full.m4a").read_bytes())
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection)
    edit = propose(found, analysis(), POLICY, History(), NOW)
    assert isinstance(edit, Edit)
    assert "genre" not in {field.name for field in edit.fields}
