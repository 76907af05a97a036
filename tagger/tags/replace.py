"""Putting the copy in the file's place, so that whoever wrote to the file in the last moment gets it back.

A second name is given to the old file first; once the copy has taken its place, the old file is looked at again under
that name. Where hard links are not to be had, the two are exchanged, and where that is not either, the copy simply
replaces the file. A program that has the file open, and writes to it only when the copy stands in its place, would
write into a file without a name: `lease` sees to it that there is none, where that can be known.
"""

import ctypes
import errno
import os
from collections.abc import Callable

from tagger.records import FileStat
from tagger.tags import libc
from tagger.tags.copy import TEMP_SUFFIX

SPARE_SUFFIX = b".old"
"""No name that strays are looked for by: only the journal's row knows whether it may go."""
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM}
_RENAME_EXCHANGE = 2  # linux/fs.h


def spare_name(temp_name: bytes) -> bytes:
    """The second name of the old file while its copy takes its place."""
    return temp_name.removesuffix(TEMP_SUFFIX) + SPARE_SUFFIX


def same_state(now: FileStat, before: FileStat) -> bool:
    """Whether nobody wrote to a file, and its owner and mode are the same; a new name changes its ctime."""
    written = (now.inode, now.size_bytes, now.mtime_ns) != (before.inode, before.size_bytes, before.mtime_ns)
    return not written and same_rights(now, before)


def same_rights(now: FileStat, before: FileStat) -> bool:
    return (now.uid, now.gid, now.mode) == (before.uid, before.gid, before.mode)


def replace(dir_fd: int, temp_name: bytes, name: bytes, untouched: Callable[[bytes], bool]) -> bool:
    """Puts `temp_name` in the place of `name`; False where that was changed meanwhile, and stands.

    `untouched` says of the old file, by the name that it has then, whether it is as it was. Raises OSError as the file
    system gives it.
    """
    spare = spare_name(temp_name)
    try:
        os.link(name, spare, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _without_links(dir_fd, temp_name, name, untouched)
    if os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_ino != os.stat(spare, dir_fd=dir_fd).st_ino:
        return False  # another file has taken its name
    os.replace(temp_name, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    return _gone(dir_fd, spare, name, untouched)


def _without_links(dir_fd: int, temp_name: bytes, name: bytes, untouched: Callable[[bytes], bool]) -> bool:
    try:
        exchange(dir_fd, temp_name, name)
    except OSError as error:
        if error.errno not in _NO_EXCHANGE:
            raise
        os.replace(temp_name, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        return True
    return _gone(dir_fd, temp_name, name, untouched)


def _gone(dir_fd: int, old: bytes, name: bytes, untouched: Callable[[bytes], bool]) -> bool:
    """The old file, now called `old`, goes; one that is not as it was takes its place again."""
    if untouched(old):
        os.unlink(old, dir_fd=dir_fd)
        return True
    os.replace(old, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    return False


def exchange(dir_fd: int, one: bytes, other: bytes) -> None:
    """Two names of a folder change places in one step. Raises OSError, ENOSYS where the system cannot do that."""
    renameat2 = libc.call("renameat2")
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if renameat2(dir_fd, one, dir_fd, other, _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
