"""Whose a file is and what may be done with it: checked before, carried over to the copy."""

import errno
import fcntl
import os
import struct

from tagger.records import FileStat, Policy, Refused
from tagger.tags.refusals import Reason

_NO_XATTRS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_LABELS = "security."
"""Set by the kernel for the new file as for the old; only some processes may copy them."""
_GET_FLAGS, _IMMUTABLE, _APPEND_ONLY = 0x80086601, 0x10, 0x20
"""FS_IOC_GETFLAGS and two of its flags, https://man7.org/linux/man-pages/man2/FS_IOC_GETFLAGS.2.html."""


class NotCarriedOverError(Exception):
    """The copy cannot get what the original has."""


def lies_read_only(path: bytes, policy: Policy) -> Refused | None:
    """Why the user's settings keep this file from being written: by its name, or by where links lead.

    A write that was made earlier can be undone all the same, so this is no part of `refusal`.
    """
    places = (path, os.path.realpath(path)) if policy.read_only else ()
    for folder in policy.read_only:
        name = os.fsencode(folder)
        for top in (name, os.path.realpath(name)):
            if any(place.startswith(top.rstrip(b"/") + b"/") for place in places):
                return Refused(reason=Reason.READ_ONLY_FOLDER, detail=folder)
    return None


def refusal(stat: FileStat, policy: Policy) -> Refused | None:
    """Why this process will not write a file in this state."""
    if not stat.mode & 0o222:
        return Refused(reason=Reason.READ_ONLY_MODE, detail=f"{stat.mode & 0o7777:04o}")
    if stat.nlink > 1 and not policy.break_hardlinks:
        return Refused(reason=Reason.HARD_LINKS, detail=str(stat.nlink))
    return None if can_give_back(stat) else Refused(reason=Reason.OWNER, detail=f"user {stat.uid}, group {stat.gid}")


def can_give_back(stat: FileStat) -> bool:
    """Whether this process may make a new file belong to the user and group of the old one."""
    uid = os.geteuid()
    return uid == 0 or (uid == stat.uid and stat.gid in (os.getegid(), *os.getgroups()))


def has_holes(fd: int, size_bytes: int) -> bool:
    """Whether parts of the file were never written; False where the file system cannot tell."""
    try:
        return os.lseek(fd, 0, os.SEEK_HOLE) < size_bytes
    except OSError:
        return False


def sealed(fd: int) -> bool:
    """Whether a file or folder is immutable or append-only (chattr): nothing in it can be replaced, even by root.

    False where the file system has no such flags.
    """
    try:
        answer = fcntl.ioctl(fd, _GET_FLAGS, bytes(8))
    except OSError:
        return False
    (flags,) = struct.unpack_from("i", answer)
    return bool(flags & (_IMMUTABLE | _APPEND_ONLY))


def carry_over(source_fd: int, target_fd: int, stat: FileStat) -> None:
    """Owner, then mode (changing the owner clears bits of it), then extended attributes with the access lists.

    What the copy has beyond that goes, such as an access list that its folder gives to new files. Raises
    NotCarriedOverError where the copy would not have what the original has.
    """
    try:
        os.fchown(target_fd, stat.uid, stat.gid)
        os.fchmod(target_fd, stat.mode & 0o7777)
    except OSError as error:
        raise NotCarriedOverError(f"user {stat.uid}, group {stat.gid}: {error.strerror}") from error
    names = _xattrs(source_fd)
    for name in names:
        value = os.getxattr(source_fd, name)
        try:
            os.setxattr(target_fd, name, value)
        except OSError as error:
            if not name.startswith(_LABELS):
                raise NotCarriedOverError(f"{name}: {error.strerror}") from error
    for name in _xattrs(target_fd):
        if name not in names and not name.startswith(_LABELS):
            _take_away(target_fd, name)


def extended(dir_fd: int, name: bytes) -> dict[str, bytes]:
    """The extended attributes, access lists among them, of a file in a folder; a link is not followed."""
    path = b"/proc/self/fd/%d/%b" % (dir_fd, name)  # no call takes a name below a descriptor
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in _xattrs(path)}


def _take_away(fd: int, name: str) -> None:
    try:
        os.removexattr(fd, name)
    except OSError as error:
        raise NotCarriedOverError(f"{name}: {error.strerror}") from error


def _xattrs(file: int | bytes) -> list[str]:
    try:
        return os.listxattr(file) if isinstance(file, int) else os.listxattr(file, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return []
        raise
