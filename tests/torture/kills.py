"""Kills and failing calls, one round after the other, over one library; the same rounds for the same seed."""

import errno
import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture import library
from tests.torture.library import Library

ROOT = Path(__file__).resolve().parents[2]
READ, WRITE, ALLOCATE, SYNC, NAME = 1, 2, 4, 8, 16  # as in faults.c
ERRORS = {
    "full disk": {"fault": "fail", "errno": errno.ENOSPC, "mask": ALLOCATE, "sticky": True},
    "quota": {"fault": "fail", "errno": errno.EDQUOT, "mask": ALLOCATE},
    "unreadable block": {"fault": "fail", "errno": errno.EIO, "mask": READ},
    "unwritable block": {"fault": "fail", "errno": errno.EIO, "mask": WRITE | SYNC},
    "failing disk": {"fault": "fail", "errno": errno.EIO, "mask": READ | WRITE | SYNC | NAME, "sticky": True},
    "short reads and writes": {"fault": "short", "mask": READ | WRITE, "sticky": True},
}
_MOST_KILLS = {"step": 8, "moment": 8, "process": 2}  # one after the other, before the rest is carried through
CHANGES = WRITE | ALLOCATE | SYNC | NAME  # in front of each of these the state on the disk is another one


def compiled(folder: Path, compiler: str) -> Path:
    """`faults.c` as a library to preload."""
    target = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", target, source, "-ldl"], check=True)
    return target


class Program:
    """The server of `program.py`."""

    def __init__(self, of: Library, shim: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.program", of.folder],
            cwd=ROOT,
            env={**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, action: str, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"action": action, **question}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())  # type: ignore[no-any-return]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass(slots=True)
class Torture:
    """Rounds over one library: a write or an undo of everything, cut off or hindered, then carried through."""

    library: Library
    program: Program
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    written: bool = False  # whether the library stands written, not undone
    _calls: dict[str, int] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)

    def round(self, number: int, kind: str) -> None:
        """`kind`: "step", "moment", "process" or a name of ERRORS. Raises AssertionError where the promise broke."""
        rng = random.Random(f"{self.seed} {number} {kind}")
        try:
            for again in range(rng.randint(1, _MOST_KILLS.get(kind, 2))):
                self._hinder(kind, number, rng, again > 0)
                library.check_at_any_moment(self.library)
            self._carry_through()
        except Exception as error:
            error.add_note(f"seed {self.seed}, round {number}, {kind}, {self._action()}")
            raise
        self.written = not self.written

    def _action(self) -> str:
        return "undo" if self.written else "again"

    def _hinder(self, kind: str, number: int, rng: random.Random, again: bool) -> None:
        """Strikes once; `again`: the run before was cut off, so that this one begins with settling, and is shorter."""
        action, share = self._action(), 0.3 if again else 1.0
        if kind in ERRORS:
            fault = ERRORS[kind]
            at = rng.randint(1, self._calls.get(action, 300))
            answer = self.program.run(action, **fault, at=at)
            assert answer["status"] in (0, 2), f"it crashed: {answer}"
            self.counts[kind] += 1
        elif kind == "step":
            most = self._calls.get(action, 300)
            at = rng.randint(1, int(most * share)) if again else 1 + number % most
            answer = self.program.run(action, fault="kill", mask=CHANGES, at=at)
            self.counts["killed at a step"] += answer["status"] == -9
        elif kind == "moment":
            after_s = rng.uniform(0, share * self._seconds.get(action, 0.3))
            answer = self.program.run(action, kill_after_s=after_s)
            self.counts["killed at a moment"] += answer["status"] == -9
        else:
            victim = rng.choice(("main", "main", "worker"))
            answer = self.program.run(action, real_workers=True, kill_after_s=rng.uniform(0.2, 2.5), victim=victim)
            self.counts[f"killed: {victim} of several processes"] += 1

    def _carry_through(self) -> None:
        """The next start settles, and does the rest."""
        library.retry_now(self.library)
        action = self._action()
        answer = self.program.run(action)
        assert answer["status"] == 0, answer
        library.check_at_any_moment(self.library)
        answer = self.program.run("scan")
        assert answer["status"] == 0, answer
        library.check_settled(self.library, written=not self.written)

    def measure(self) -> None:
        """One way there and back without faults: how long it is, and how many calls change something."""
        for _ in range(2):
            action = self._action()
            answer = self.program.run(action, mask=CHANGES)
            assert answer["status"] == 0, answer
            self._calls[action], self._seconds[action] = answer["calls"], answer["seconds"]
            library.check_settled(self.library, written=not self.written)
            self.written = not self.written
