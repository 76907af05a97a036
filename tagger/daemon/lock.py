"""One instance a catalog: a locked file beside it, which workers inherit.

Whoever commits keeps the lock, also when main was killed: the next start waits until nobody can rename any more.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from tagger.records import TaggerError

_WORKERS_END_S = 10.0
"""How long a start waits for the workers of a main that was killed."""


class Lock:
    """Held until the process and all that inherited `fd` end."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        with suppress(OSError):  # a failing disk: closing is what counts
            os.ftruncate(self.fd, 0)
        os.close(self.fd)


def acquire(catalog: Path) -> Lock | None:
    """The lock, or None where a running instance holds it. Raises TaggerError where the folder cannot be written to."""
    try:
        catalog.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(_path(catalog), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise TaggerError(f"{catalog.parent}: {error.strerror}; --catalog FILE names another place") from error
    until = time.monotonic() + _WORKERS_END_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _alive(_pid(fd)) or time.monotonic() > until:
                os.close(fd)
                return None
            time.sleep(0.05)
        else:
            try:
                os.ftruncate(fd, 0)
                os.pwrite(fd, str(os.getpid()).encode(), 0)
            except OSError as error:  # a full disk, a spent quota
                os.close(fd)
                raise TaggerError(f"{_path(catalog)}: {error.strerror}; nothing was touched") from error
            return Lock(fd)


def holder(catalog: Path) -> int | None:
    """The process that runs on this catalog, None where none does."""
    try:
        fd = os.open(_path(catalog), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(fd)
    finally:
        os.close(fd)
    return None


def _path(catalog: Path) -> Path:
    return catalog.with_name("tagger.lock")


def _pid(fd: int) -> int | None:
    text = os.pread(fd, 20, 0)
    return int(text) if text.isdigit() else None


def _alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
