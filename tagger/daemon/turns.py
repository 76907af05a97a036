"""Who works now. One at a time; long work gives way, between two of its steps, to whoever waits, in order."""

import asyncio
import time
from types import TracebackType

REQUEST_S = 5.0
"""How long a request, or fresh files, keep their turn while others wait; a scan gives way at its next step."""


class Turns:
    """What the daemon's works share."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()  # fair: whoever waits longest is next
        self.waiting = 0
        self._ended = time.monotonic()

    def idle_s(self) -> float:
        """Since when nobody works."""
        return 0.0 if self.lock.locked() else time.monotonic() - self._ended

    def release(self) -> None:
        self._ended = time.monotonic()
        self.lock.release()


class Turn:
    """A work's own: inside `async with` it works alone, but while it gives way."""

    def __init__(self, turns: Turns, least_s: float = 0.0) -> None:
        self._turns, self._least_s = turns, least_s
        self._since: float | None = None  # None: it is not this work's turn
        self.given = 0
        """How often it gave way: others may have changed files and catalog since."""

    async def __aenter__(self) -> "Turn":
        self._turns.waiting += 1
        try:
            await self._turns.lock.acquire()
        finally:
            self._turns.waiting -= 1
        self._since = time.monotonic()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._since is not None:
            self._end()

    @property
    def over(self) -> bool:
        """Whether somebody waits whose turn it is."""
        if self._since is None or not self._turns.waiting:
            return False
        return time.monotonic() - self._since >= self._least_s

    async def give_way(self) -> None:
        """To be called where nothing is under way; returns when it is this work's turn again."""
        if self.over:
            self._end()
            self.given += 1
            await self.__aenter__()

    def _end(self) -> None:
        self._since = None
        self._turns.release()
