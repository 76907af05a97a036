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

    A file that cannot be read now (its disk is not there, it was moved) stays "prepared": the next start asks again.
    """
    try:
        with os.fdopen(os.open(prepared.path, OPEN_FLAGS), "rb") as file:
            content = content_hash(file)
    except OSError:
        content = None
    with suppress(OSError):  # the disk is gone, or cannot be written to: strays are looked for by every scan
        abort(prepared)
    if content is None:
        return JournalState.PREPARED
    if content == prepared.hash_after:
        return JournalState.RENAMED
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
