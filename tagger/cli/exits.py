"""What a command's exit code says; scripts rely on it."""

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0
    CRASHED = 1
    NOT_STARTED = 2  # nothing was touched
    SOME_FAILED = 3  # done, but some files failed; refusals, vetoes and gates are no failures
