"""Writing an edit: the verified copy first, the rename when the journal holds its undo record."""

import errno
import os
from contextlib import suppress
from typing import BinaryIO

from tagger.ownership import equal
from tagger.records import Committed, Dropped, Edit, FileStat, Prepared, Refused
from tagger.tags import opinion
from tagger.tags.attributes import extended
from tagger.tags.copy import Order, folder, make
from tagger.tags.fields import STANDARD, standing
from tagger.tags.formats.base import Carried, Format, FormatError, Plan, Style
from tagger.tags.formats.detect import by_name
from tagger.tags.lease import BusyError, undisturbed
from tagger.tags.refusals import Reason
from tagger.tags.replace import replace, same_state, spare_name

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
        check=lambda old, new, _: _check(edit, container, old, new),
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
    changes = {field.name: field.new for field in edit.fields}
    carried = edit.carried if any(changes.values()) else {}
    return by_name(edit.container).splice(file, {**carried, **changes}, style)


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
    carried = before.carried if any(field.new for field in edit.fields) else Carried()
    left = carried.values.keys() - {field.name for field in edit.fields}
    for name in left:
        if not equal(second.get(name, ()), carried.values[name], separator):
            raise FormatError(Reason.NOT_VERIFIED, f"mutagen reads {second.get(name, ())} in {name}")
    untouched = set(STANDARD) - {field.name for field in edit.fields} - left
    if any(standing(before.tags, name) != standing(after.tags, name) for name in untouched):
        raise FormatError(Reason.NOT_VERIFIED, "a field that was to stay changed")
    if after.foreign != (*before.foreign, *carried.entries):
        raise FormatError(Reason.NOT_VERIFIED, "a foreign entry changed")
    if container.identity(new) != edit.identity:
        raise FormatError(Reason.NOT_VERIFIED, "the audio changed")


def commit(prepared: Prepared) -> Committed | Dropped:
    """Puts the copy in the file's place, unless the file changed since; then the copy goes and the file stays.

    What became of it is durable once `make_durable` has seen the folder. Raises OSError as the file system gives it;
    the copy is gone then, unless it may have taken the file's place (`recover.settle` tells).
    """
    with folder(prepared.path) as (dir_fd, name):
        try:
            dropped = _dropped(prepared, dir_fd, name)
        except BusyError:
            dropped = "another program has opened it for writing"
        except FileNotFoundError:
            if not _discard(prepared, dir_fd):
                raise
            return Dropped(reason="it is no longer there")
        except OSError:
            _discard(prepared, dir_fd)
            raise
        if dropped:
            _discard(prepared, dir_fd)
            return Dropped(reason=dropped)
        return Committed(stat_after=_stat(dir_fd, name))


def _dropped(prepared: Prepared, dir_fd: int, name: bytes) -> str:
    """Puts the copy in the file's place; why it does not stand there, empty where it does."""
    before, attributes = prepared.stat_before, extended(dir_fd, name)
    if _stat(dir_fd, name) != before:
        return "it changed while its copy was prepared"
    if _stat(dir_fd, prepared.temp_name).inode != prepared.temp_inode:
        return "somebody took the copy's place"
    with undisturbed(dir_fd, name) as alone:

        def untouched(old: bytes) -> bool:
            as_it_was = same_state(_stat(dir_fd, old), before) and extended(dir_fd, old) == attributes
            return as_it_was and alone()

        done = replace(dir_fd, prepared.temp_name, name, untouched)
    return "" if done else "somebody changed it while its copy took its place"


def make_durable(directory: bytes) -> None:
    """All renames in a folder outlast a power cut from now on. A folder that was moved meanwhile cannot be found."""
    with suppress(FileNotFoundError), folder(os.path.join(directory, b"")) as (dir_fd, _):
        try:
            os.fsync(dir_fd)
        except OSError as error:  # some network file systems cannot make a folder durable by itself
            if error.errno not in _NO_FOLDER_SYNC:
                raise


def abort(prepared: Prepared) -> None:
    """The copy goes; nothing else happened."""
    with suppress(FileNotFoundError), folder(prepared.path) as (dir_fd, _):
        _remove(prepared.temp_name, dir_fd)


def _discard(prepared: Prepared, dir_fd: int) -> bool:
    """Whether the copy had not taken the file's place; then it goes, and the old file's second name with it.

    On a disk that fails they may have to stay until the write is settled.
    """
    with suppress(OSError):
        if _stat(dir_fd, prepared.temp_name).inode == prepared.temp_inode:
            _remove(spare_name(prepared.temp_name), dir_fd)
            _remove(prepared.temp_name, dir_fd)
            return True
    return False


def _remove(name: bytes, dir_fd: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=dir_fd)


def _stat(dir_fd: int, name: bytes) -> FileStat:
    return FileStat.of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
