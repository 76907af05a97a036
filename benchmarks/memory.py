"""Proportional memory of each process of the daemon: while it analyzes with two file workers, and idle."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import music, process
from benchmarks.figure import Figure

IDLE_S = 3.0
SETTINGS = f"[workers]\nfile_workers = 2\nidle_s = {IDLE_S}\n[library]\nsettle_s = 0\n"


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=music.BUILD) as scratch:
        home = Path(scratch)
        (home / "music").mkdir()
        for track in music.tracks():
            shutil.copy(track, home / "music")
        command = [*process.TAGGER, "serve", "--yes", str(home / "music")]
        with (home / "log").open("wb") as log:
            daemon = subprocess.Popen(command, env=process.environment(home, SETTINGS), stdout=log, stderr=log)
        try:
            busy = _peak(daemon)
            idle = {process.name(pid): process.proportional_mb(pid) for pid in process.tree(daemon.pid)}
        finally:
            os.kill(daemon.pid, signal.SIGTERM)
            daemon.wait(timeout=30)
    return [_figure("memory while analyzing", busy, 900), _figure("memory idle", idle, 120)]


def _peak(daemon: "subprocess.Popen[bytes]") -> dict[str, float]:
    """Memory by process at the moment of the largest total; ends once the workers have gone."""
    peak: dict[str, float] = {}
    alone = 0
    deadline = time.monotonic() + 600
    while alone < 20 and time.monotonic() < deadline:
        now: dict[str, float] = {}
        for pid in process.tree(daemon.pid):
            try:
                key = process.name(pid)
                now[f"{key} {sum(other.startswith(key) for other in now) + 1}"] = process.proportional_mb(pid)
            except (OSError, ValueError):
                continue  # it has gone meanwhile
        peak = max(peak, now, key=lambda memory: sum(memory.values()))
        alone = alone + 1 if peak and len(peak) > 1 and len(now) == 1 else 0
        time.sleep(0.2)
    return peak


def _figure(what: str, memory: dict[str, float], bar: int) -> Figure:
    parts = ", ".join(f"{name} {value:.0f}" for name, value in memory.items())
    total = sum(memory.values())
    return Figure(what=what, ours=f"{total:.0f} MB ({parts})", yardstick=f"{bar} MB", ratio=total / bar, bar="1")
