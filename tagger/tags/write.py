"""Writing an edit: the verified copy first, the rename when the journal holds its undo record."""

import errno
import os
from contextlib import suppress
from typing import BinaryIO

from tagger.ownership import equal
from tagger.records import Committed, Dropped, Edit, FileStat, Prepared, Refused
from tagger.tags import opinion
from tagger.tags.copy import Order, folder, make
from tagger.tags.fields import STANDARD, standing
from tagger.tags.formats.base import Format, FormatError, Plan, Style
from tagger.tags.formats.detect import by_name
from tagger.tags.refusals import Reason
from tagger.tags.replace import replace

_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP}


def prepare(edit: Edit) -> Prepared | Refused | Dropped:
    """The changed copy beside the file, verified; nothing is renamed yet.

    Refused: the file cannot be written safely, and why. Dropped: it is no longer what was inspected.
    """
    container = by_name(edit.container)
    order = Order(
        path=edit.path,
        stat=edit.stat,
        plan=lambda file: splice(edit, file),
        check=lambda old, new: _check(edit, container, old, new),
        identity=edit.identity,
        mtime_ns=edit.stat.mtime_ns if edit.policy.preserve_mtime else None,
        written={field.name: field.new for field in edit.fields},
        replaced={field.name: field.old for field in edit.fields},
        bundle_id=edit.bundle_id,
    )
    return make(order)


def splice(edit: Edit, file: BinaryIO) -> Plan:
    """The changed file. Raises FormatError where it cannot be spliced."""
    style = Style(v23_separator=edit.policy.v23_separator, v23_mood=edit.policy.v23_mood)
    return by_name(edit.container).splice(file, {field.name: field.new for field in edit.fields}, style)


def _check(edit: Edit, container: Format, old: BinaryIO, new: BinaryIO) -> None:
    """Raises FormatError unless the copy holds our values, every foreign entry raw, and the same audio."""
    before, after = container.read(old), container.read(new)
    separator = edit.policy.v23_separator
    if after.refusal:
        raise FormatError(Reason.NOT_VERIFIED, f"it would be refused: {after.refusal.reason}")
    try:
        second = opinion.values(new, edit.container)
    except MemoryError:  # says nothing of the copy
        raise
    except Exception as error:  # mutagen leaks errors of every kind
        raise FormatError(Reason.NOT_VERIFIED, f"mutagen cannot read it: {error}") from error
    for field in edit.fields:
        if not equal(standing(after.tags, field.name), field.new, separator):
            raise FormatError(Reason.NOT_VERIFIED, f"{field.name} reads {standing(after.tags, field.name)}")
        if not equal(second.get(field.name, ()), field.new, separator):
            raise FormatError(Reason.NOT_VERIFIED, f"mutagen reads {second.get(field.name, ())} in {field.name}")
    untouched = set(STANDARD) - {field.name for field in edit.fields}
    if any(standing(before.tags, name) != standing(after.tags, name) for name in untouched):
        raise FormatError(Reason.NOT_VERIFIED, "a field that was to stay changed")
    if before.foreign != after.foreign:
        raise FormatError(Reason.NOT_VERIFIED, "a foreign entry changed")
    if container.identity(new) != edit.identity:
        raise FormatError(Reason.NOT_VERIFIED, "the audio changed")


def commit(prepared: Prepared) -> Committed | Dropped:
    """Puts the copy in the file's place, unless the file changed since; then the copy goes and the file stays."""
    with folder(prepared.path) as (dir_fd, name):
        try:
            now = FileStat.of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
        except FileNotFoundError:
            now = None
        if now != prepared.stat_before:
            _remove(prepared, dir_fd)
            return Dropped(reason="it changed while its copy was prepared")
        if os.stat(prepared.temp_name, dir_fd=dir_fd, follow_symlinks=False).st_ino != prepared.temp_inode:
            return Dropped(reason="somebody took the copy's place")
        replaced = replace(dir_fd, prepared.temp_name, name, prepared.stat_before)
        _sync(dir_fd)
        if not replaced:
            return Dropped(reason="somebody wrote to it while its copy took its place")
        return Committed(stat_after=FileStat.of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False)))


def abort(prepared: Prepared) -> None:
    """The copy goes; nothing else happened."""
    with suppress(FileNotFoundError), folder(prepared.path) as (dir_fd, _):
        _remove(prepared, dir_fd)


def _remove(prepared: Prepared, dir_fd: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(prepared.temp_name, dir_fd=dir_fd)


def _sync(dir_fd: int) -> None:
    """Some network file systems cannot make a folder durable by itself."""
    try:
        os.fsync(dir_fd)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
