"""What a write would be refused for, found out without making a copy."""

import os
from collections.abc import Callable
from typing import BinaryIO

from tagger.records import Edit, Refused
from tagger.tags.copy import folder, forbidden, no_room
from tagger.tags.formats.base import FormatError, Plan
from tagger.tags.inspect import OPEN_FLAGS
from tagger.tags.refusals import Reason
from tagger.tags.write import splice


def rehearse(edit: Edit) -> Refused | None:
    """Nothing is created or changed. Only what the finished copy's check would find stays unforeseen.

    Raises OSError where the file cannot be read.
    """
    return obstacle(edit.path, lambda file: splice(edit, file))


def obstacle(path: bytes, plan: Callable[[BinaryIO], Plan]) -> Refused | None:
    """What keeps a file from being replaced by what is planned, as `rehearse` finds it."""
    with folder(path) as (dir_fd, name):
        # by the effective user, as a write would
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=dir_fd, effective_ids=True):
            return Refused(reason=Reason.READ_ONLY_PLACE)
        with os.fdopen(os.open(name, OPEN_FLAGS, dir_fd=dir_fd), "rb") as file:
            if (refused := forbidden(file, dir_fd)) is not None:
                return refused
            try:
                return no_room(plan(file), dir_fd)
            except FormatError as error:
                return error.refused()
