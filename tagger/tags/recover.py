"""After a crash: what became of a write whose journal row still says "prepared", and copies that nobody owns."""

import os
from collections.abc import Set as AbstractSet
from contextlib import suppress

from tagger.ownership import SEPARATORS, equal
from tagger.records import Failure, FileStat, JournalState, Prepared
from tagger.tags.copy import TEMP_PREFIX, TEMP_SUFFIX, folder
from tagger.tags.fields import standing
from tagger.tags.inspect import OPEN_FLAGS, content_hash, inspect
from tagger.tags.replace import same_rights, spare_name


def settle(prepared: Prepared) -> JournalState:
    """By the file's content: the new one (renamed), the old one (dropped), or another (foreign). The copies go.

    Gone: neither the file nor a copy is there; moved, deleted, or with its disk, the caller must know.
    A file that cannot be read now stays "prepared": the next start asks again.
    """
    try:
        with folder(prepared.path) as (dir_fd, name):
            return _settle(prepared, dir_fd, name)
    except FileNotFoundError:
        return JournalState.GONE
    except OSError:
        return JournalState.PREPARED


def _settle(prepared: Prepared, dir_fd: int, name: bytes) -> JournalState:
    before, after = prepared.hash_before, prepared.hash_after
    content = _content(dir_fd, name)
    if content is None:
        return _without_the_file(prepared, dir_fd, name)
    for copy in (spare_name(prepared.temp_name), prepared.temp_name):
        left = _content(dir_fd, copy)
        if left == before and content == after and not _rights_as_before(prepared, dir_fd, copy):
            os.replace(copy, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)  # somebody changed them in between
            content = left
        elif left in (before, after) or (left and content == before) or _same_file(dir_fd, copy, name):
            os.unlink(copy, dir_fd=dir_fd)
        elif left and content == after:  # somebody wrote to the old file while its copy took its place
            os.replace(copy, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
            content = left
    if content == before:
        return JournalState.DROPPED
    return JournalState.RENAMED if content == after or _holds_what_we_wrote(prepared) else JournalState.FOREIGN


def _rights_as_before(prepared: Prepared, dir_fd: int, old: bytes) -> bool:
    return same_rights(FileStat.of(os.stat(old, dir_fd=dir_fd)), prepared.stat_before)


def _without_the_file(prepared: Prepared, dir_fd: int, name: bytes) -> JournalState:
    """Nothing is there under its name: moved away by somebody, or lost by a file system that renames in two steps."""
    spare = spare_name(prepared.temp_name)
    if _content(dir_fd, spare) is not None:
        if os.stat(spare, dir_fd=dir_fd).st_nlink > 1:  # it lives on elsewhere
            os.unlink(spare, dir_fd=dir_fd)
        else:
            os.replace(spare, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    elif (copy := _content(dir_fd, prepared.temp_name)) != prepared.hash_after:
        return JournalState.GONE if copy is None else JournalState.PREPARED
    if _content(dir_fd, prepared.temp_name) == prepared.hash_after:
        os.unlink(prepared.temp_name, dir_fd=dir_fd)
    return JournalState.DROPPED


def _same_file(dir_fd: int, copy: bytes, name: bytes) -> bool:
    try:
        return os.path.samestat(os.stat(copy, dir_fd=dir_fd), os.stat(name, dir_fd=dir_fd))
    except FileNotFoundError:
        return False


def _holds_what_we_wrote(prepared: Prepared) -> bool:
    """Renamed, and then changed by somebody else: the fields are as we wrote them, TAGGER_DATE to the second."""
    found = inspect(prepared.path)
    if isinstance(found, Failure) or found.identity != prepared.identity:
        return False
    return all(equal(standing(found.tags, name), values, SEPARATORS[0]) for name, values in prepared.written.items())


def _content(dir_fd: int, name: bytes) -> str | None:
    """The hash of a file, None where there is none of that name."""
    try:
        with os.fdopen(os.open(name, OPEN_FLAGS, dir_fd=dir_fd), "rb") as file:
            return content_hash(file)
    except FileNotFoundError:
        return None


def remove_strays(directory: bytes, keep: AbstractSet[bytes]) -> int:
    """Removes our temporary files from a folder but those named in `keep`; how many. No such folder: 0."""
    removed = 0
    with suppress(OSError):  # gone, or not ours to clear just now: the next scan looks again
        for entry in os.scandir(directory):
            ours = entry.name.startswith(TEMP_PREFIX) and entry.name.endswith(TEMP_SUFFIX)
            if ours and entry.name not in keep and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
                removed += 1
    return removed
