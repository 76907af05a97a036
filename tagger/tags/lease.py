"""Whether another program has a file open for writing, and whether one has opened it since: leases, fcntl(2).

On file systems of this machine alone. NFS and SMB refuse a lease also where their server has promised nothing, as if
somebody were writing. Where none can be had (another's file without CAP_LEASE), nobody can tell, and nobody is waited
for.
"""

import ctypes
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EAGAIN

from tagger.tags import libc
from tagger.tags.inspect import OPEN_FLAGS

_LOCAL = {
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # XFS
    0x9123683E,  # btrfs
    0xF2F52010,  # F2FS
    0x01021994,  # tmpfs
    0x794C7630,  # overlay
}
"""As statfs(2) tells file systems apart: on these it was seen that a lease is refused to writers alone."""


class BusyError(Exception):
    """Another program has the file open for writing."""


@contextmanager
def leased(fd: int) -> Iterator[Callable[[], bool]]:
    """Whoever opens the file for writing meanwhile waits; what is given answers whether nobody does, as far as known.

    `fd` is open for reading alone. Raises BusyError.
    """
    if not _take(fd):
        yield lambda: True
        return
    try:
        yield lambda: fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK
    finally:
        _give_back(fd)


@contextmanager
def undisturbed(dir_fd: int, name: bytes) -> Iterator[Callable[[], bool]]:
    """`leased` for a file that is not open; where there are no leases it stays closed.

    An SMB server would not let another take the name of a file that is open.
    """
    if not is_local(dir_fd):
        yield lambda: True
        return
    try:
        fd = os.open(name, OPEN_FLAGS, dir_fd=dir_fd)
    except BlockingIOError as error:  # another program's lease
        raise BusyError from error
    with os.fdopen(fd, "rb"), leased(fd) as alone:
        yield alone


def is_busy(fd: int) -> bool:
    """Whether another program has the file open for writing; False where nobody can tell."""
    try:
        with leased(fd):
            return False
    except BusyError:
        return True


def _take(fd: int) -> bool:
    if not is_local(fd):
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)  # whoever waits is announced by a signal; this one does nothing
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == EAGAIN:
            raise BusyError from error
        return False
    return True


def _give_back(fd: int) -> None:
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno != EAGAIN:  # the system took it, after somebody had waited for 45 seconds
            raise


def is_local(fd: int) -> bool:
    """Whether what lies on the file system of `fd` can be opened on this machine alone."""
    answer = (ctypes.c_long * 32)()  # struct statfs is shorter, and begins with the kind
    return libc.call("fstatfs")(fd, answer) == 0 and answer[0] in _LOCAL
