"""What a write would be refused for, found out without making a copy."""

import os

from tagger.records import Edit, Refused
from tagger.tags.attributes import has_holes
from tagger.tags.copy import SPARE_BYTES, folder
from tagger.tags.formats.base import FormatError
from tagger.tags.inspect import OPEN_FLAGS
from tagger.tags.refusals import Reason
from tagger.tags.splice import size
from tagger.tags.write import splice


def rehearse(edit: Edit) -> Refused | None:
    """Nothing is created or changed. Only what the finished copy's check would find stays unforeseen.

    Raises OSError where the file cannot be read.
    """
    with folder(edit.path) as (dir_fd, name):
        # by the effective user, as a write would
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=dir_fd, effective_ids=True):
            return Refused(reason=Reason.READ_ONLY_PLACE)
        with os.fdopen(os.open(name, OPEN_FLAGS, dir_fd=dir_fd), "rb") as file:
            if has_holes(file.fileno(), edit.stat.size_bytes):
                return Refused(reason=Reason.SPARSE)
            try:
                size_bytes = size(splice(edit, file)) + SPARE_BYTES
            except FormatError as error:
                return error.refused()
        free = os.fstatvfs(dir_fd)
        if free.f_bavail * free.f_frsize < size_bytes:
            return Refused(reason=Reason.DISK_FULL, detail=f"{size_bytes} bytes are needed")
    return None
