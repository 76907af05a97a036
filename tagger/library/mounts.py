"""Whether a root is there at all: an unplugged disk must not look like a deleted library."""

import os


def trouble(root: bytes, device: int | None) -> str | None:
    """Why nothing under a root may be taken for missing, None where all is well.

    `device` is the one that the root lay on at the last scan, None for a new root.
    """
    try:
        now = os.stat(root).st_dev
        with os.scandir(root) as entries:
            empty = next(entries, None) is None
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if empty:
        return "is empty: is its disk mounted?"
    if device is not None and now != device:
        return "lies on another device than before"
    return None


def device_of(root: bytes) -> int:
    return os.stat(root).st_dev
