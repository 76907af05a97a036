"""After a crash: what became of a write whose journal row still says "prepared", and copies that nobody owns."""

import os
from collections.abc import Set as AbstractSet
from contextlib import suppress

from tagger.records import JournalState, Prepared
from tagger.tags.copy import TEMP_PREFIX, TEMP_SUFFIX
from tagger.tags.inspect import OPEN_FLAGS, content_hash
from tagger.tags.write import abort


def settle(prepared: Prepared) -> JournalState:
    """By the file's content: the new one (renamed), the old one (dropped), or another (foreign). The copy goes.

    A file that cannot be read now (its disk is not there, it was moved), or whose copy cannot be taken away (its disk
    became read-only), stays "prepared": the next start asks again.
    """
    try:
        with os.fdopen(os.open(prepared.path, OPEN_FLAGS), "rb") as file:
            content = content_hash(file)
    except OSError:
        content = None
    try:
        abort(prepared)
        copy_gone = True
    except OSError:
        copy_gone = False
    if content == prepared.hash_after:
        return JournalState.RENAMED
    if content is None or not copy_gone:
        return JournalState.PREPARED
    return JournalState.DROPPED if content == prepared.hash_before else JournalState.FOREIGN


def remove_strays(directory: bytes, keep: AbstractSet[bytes]) -> int:
    """Removes our temporary files from a folder but those named in `keep`; how many. No such folder: 0."""
    removed = 0
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        for entry in os.scandir(directory):
            ours = entry.name.startswith(TEMP_PREFIX) and entry.name.endswith(TEMP_SUFFIX)
            if ours and entry.name not in keep and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
                removed += 1
    return removed
