"""Waiting for files that are still being written."""

import os

from tagger.records import FileStat


class Settling:
    """Paths that changed lately; each is ready once its size and time have stood still for `settle_s`."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._seen: dict[bytes, tuple[tuple[int, int] | None, float]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, path: bytes, now: float) -> None:
        """A path that something happened to; `now` in seconds of a monotonic clock."""
        state = _state(path)
        if path not in self._seen or self._seen[path][0] != state:
            self._seen[path] = (state, now)

    def ready(self, now: float) -> list[bytes]:
        """The paths that have stood still, present or gone; they are forgotten here."""
        done = []
        for path, (state, since) in list(self._seen.items()):
            current = _state(path)
            if current != state:
                self._seen[path] = (current, now)
            elif now - since >= self._settle_s:
                del self._seen[path]
                done.append(path)
        return done


def age_s(stat: FileStat, now: float) -> float:
    """Seconds since a file last changed, by its own times; `now` in Unix seconds. Of the future: old."""
    changed = max(stat.mtime_ns, stat.ctime_ns) / 1e9
    return now - changed if changed <= now else float("inf")


def _state(path: bytes) -> tuple[int, int] | None:
    try:
        result = os.lstat(path)
    except OSError:
        return None
    return result.st_size, result.st_mtime_ns
