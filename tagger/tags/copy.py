"""The changed copy beside a file: built, checked, made durable, and proven to be undoable, before anything is renamed.

Order of the steps, and why, in docs/tags.md. All names are relative to a descriptor of the folder, so that a renamed
parent cannot mislead us. Whatever goes wrong, the copy is gone and the original untouched.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from tagger.records import Dropped, FileStat, Prepared, Refused
from tagger.tags.attributes import NotCarriedOverError, carry_over, has_holes, sealed
from tagger.tags.formats.base import FormatError, Plan
from tagger.tags.inspect import OPEN_FLAGS, content_hash
from tagger.tags.lease import is_busy
from tagger.tags.refusals import Reason
from tagger.tags.splice import encode, inverse, rebuilt_hash, size, write_plan

SPARE_BYTES = 16 << 20
"""What must stay free on the disk beside the copy."""
TEMP_PREFIX, TEMP_SUFFIX = b".tagger-", b".tmp"
"""A dot and no audio suffix: players look at neither."""
_EARLIEST_NS = -(1 << 61)
"""1896: what lies before is a time past the year 2262 that did not fit (`FileStat`), and is not given back."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the copy shall be."""

    path: bytes
    stat: FileStat | None  # the state that the file must still be in; None: any
    plan: Callable[[BinaryIO], Plan]  # may raise FormatError
    check: Callable[[BinaryIO, BinaryIO, str], None]  # the old file, the new one and its hash; raises FormatError
    identity: str
    mtime_ns: int | None  # None: the time of writing
    written: Mapping[str, tuple[str, ...]]
    replaced: Mapping[str, tuple[str, ...]]
    bundle_id: str | None


def make(order: Order) -> Prepared | Refused | Dropped:
    """The verified copy. Raises OSError where the disk fails in a way that is not the file's doing."""
    try:
        with folder(order.path) as (dir_fd, name):
            fd = os.open(name, OPEN_FLAGS, dir_fd=dir_fd)
            with os.fdopen(fd, "rb") as file:
                return _make(order, file, dir_fd)
    except FormatError as error:
        return error.refused()
    except NotCarriedOverError as error:
        return Refused(reason=Reason.OWNER, detail=str(error))
    except OSError as error:
        if error.errno in _FULL:
            return Refused(reason=Reason.DISK_FULL, detail=error.strerror or "")
        if error.errno in _FORBIDDEN:
            return Refused(reason=Reason.READ_ONLY_PLACE, detail=error.strerror or "")
        if error.errno == errno.EAGAIN:  # another program's lease on it, which is to be given back first
            return Refused(reason=Reason.BUSY)
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return Dropped(reason="it is no longer there")
        raise


@contextmanager
def folder(path: bytes) -> Iterator[tuple[int, bytes]]:
    """A descriptor of the path's folder, and the name in it."""
    directory, name = os.path.split(path)
    dir_fd = os.open(directory or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield dir_fd, name
    finally:
        os.close(dir_fd)


def forbidden(file: BinaryIO, dir_fd: int) -> Refused | None:
    """Why no copy of an open file may be made in its folder."""
    fd = file.fileno()
    if sealed(fd) or sealed(dir_fd):
        return Refused(reason=Reason.READ_ONLY_PLACE, detail="immutable or append-only")
    if has_holes(fd, os.fstat(fd).st_size):
        return Refused(reason=Reason.SPARSE)
    return Refused(reason=Reason.BUSY) if is_busy(fd) else None


def no_room(plan: Plan, dir_fd: int) -> Refused | None:
    """Whether the planned file would fill the disk of the folder."""
    free, needed = os.fstatvfs(dir_fd), size(plan) + SPARE_BYTES
    if free.f_bavail * free.f_frsize >= needed:
        return None
    return Refused(reason=Reason.DISK_FULL, detail=f"{needed} bytes are needed")


def _make(order: Order, file: BinaryIO, dir_fd: int) -> Prepared | Refused | Dropped:
    fd = file.fileno()
    stat = FileStat.of(os.fstat(fd))
    if order.stat is not None and stat != order.stat:
        return Dropped(reason="it changed since it was inspected")
    if (refused := forbidden(file, dir_fd)) is not None:
        return refused
    plan = order.plan(file)
    if (refused := no_room(plan, dir_fd)) is not None:
        return refused
    temp_name = TEMP_PREFIX + secrets.token_hex(8).encode() + TEMP_SUFFIX
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    temp_fd = os.open(temp_name, flags, 0o600, dir_fd=dir_fd)
    try:
        with os.fdopen(temp_fd, "r+b", buffering=0) as copy:
            prepared = _fill(order, plan, stat, file, copy, temp_name)
    except BaseException:
        os.unlink(temp_name, dir_fd=dir_fd)
        raise
    if not isinstance(prepared, Prepared):
        os.unlink(temp_name, dir_fd=dir_fd)
    return prepared


def _fill(
    order: Order, plan: Plan, stat: FileStat, file: BinaryIO, copy: BinaryIO, temp_name: bytes
) -> Prepared | Refused | Dropped:
    fd, temp_fd = file.fileno(), copy.fileno()
    write_plan(plan, fd, temp_fd)
    carry_over(fd, temp_fd, stat)
    if order.mtime_ns is not None and order.mtime_ns > _EARLIEST_NS:
        os.utime(temp_fd, ns=(order.mtime_ns, order.mtime_ns))
    with os.fdopen(os.dup(temp_fd), "rb") as reread:
        hash_after = content_hash(reread)
        order.check(file, reread, hash_after)
    record = inverse(plan, stat.size_bytes, lambda offset, length: os.pread(fd, length, offset))
    hash_before = rebuilt_hash(record, temp_fd, fd, stat.size_bytes)
    if hash_before is None:
        return Refused(reason=Reason.NO_UNDO)
    os.fsync(temp_fd)  # last: the disk writes while the rest is proven
    if FileStat.of(os.fstat(fd)) != stat:
        return Dropped(reason="it changed while it was copied")
    return Prepared(
        path=order.path,
        temp_name=temp_name,
        temp_inode=os.fstat(temp_fd).st_ino,
        stat_before=stat,
        hash_before=hash_before,
        hash_after=hash_after,
        identity=order.identity,
        undo_record=encode(record),
        written=order.written,
        replaced=order.replaced,
        bundle_id=order.bundle_id,
    )
