"""Many mutants, by killable processes, a share of them at a time; faults are kept, the rest is counted."""

import json
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_SILENCE_S = 60.0  # of the clock: a worker that waits for something uses no processor time
_SHARE = 5_000  # mutants a process


@dataclass(slots=True)
class Tally:
    """What came of the mutants from 0 to `next`; `faults` are the worst, in full."""

    seed: int
    next: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)  # base -> outcome -> how many
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mb: float = 0.0

    def add(self, result: dict[str, Any]) -> None:
        self.next = result["number"] + 1
        self.outcomes.setdefault(result["base"], Counter())[result["outcome"]] += 1
        self.slowest_s = max(self.slowest_s, result["seconds"])
        self.peak_mb = max(self.peak_mb, result["peak_mb"])
        if result["outcome"] == "fault":
            self.faults.append(result)
        elif result["detail"]:
            self.reasons[result["detail"].partition(" at byte ")[0][:90]] += 1

    def table(self) -> str:
        """For people: a row a base."""
        columns = ("written", "refused", "caught", "fault")
        rows = [f"{'':42}" + "".join(f"{column:>9}" for column in columns)]
        rows += [f"{base:42}" + "".join(f"{row[c]:9}" for c in columns) for base, row in sorted(self.outcomes.items())]
        total = sum(self.outcomes.values(), Counter())
        rows.append(f"{'all':42}" + "".join(f"{total[column]:9}" for column in columns))
        rows.append(f"slowest {self.slowest_s:.2f} s of processor time, largest process {self.peak_mb:.0f} MB")
        rows += [f"{count:7}  {reason}" for reason, count in self.reasons.most_common(40)]
        return "\n".join(rows)


def run(tally: Tally, until: int, end: float) -> Iterator[int]:
    """Goes on to `until` mutants, or to a time of `time.monotonic`; the number of each that the tally holds."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        while tally.next < until and time.monotonic() < end:
            for result in _results(Path(folder), tally.seed, tally.next, min(until, tally.next + _SHARE)):
                tally.add(result)
                yield tally.next
                if time.monotonic() > end:
                    break


def _results(folder: Path, seed: int, start: int, stop: int) -> Iterator[dict[str, Any]]:
    """Of one process; where it dies or is silent, the mutant at hand is a fault."""
    command = [sys.executable, "-m", "tests.torture.mutant_worker", str(folder), str(seed), str(start), str(stop)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    number, ready = start, False
    try:
        assert process.stdout is not None
        while number < stop:
            heard, _, _ = select.select([process.stdout], [], [], _SILENCE_S)
            line = process.stdout.readline() if heard else ""
            if line and not ready:
                ready = True
            elif line:
                yield json.loads(line)
                number += 1
            else:
                process.kill()
                error = process.communicate()[1]
                if not ready:
                    raise RuntimeError(f"the worker did not start: {error}")
                yield _died(number, process.returncode, error)
                return
    finally:
        process.kill()
        process.communicate()


def _died(number: int, code: int, error: str) -> dict[str, Any]:
    what = "took too much time" if code == -signal.SIGPROF else f"ended the process ({code}): {error[-2000:]}"
    return {"number": number, "base": "?", "outcome": "fault", "detail": what, "seconds": 0.0, "peak_mb": 0.0}
