"""CPU of a periodic rescan of 20,000 unchanged files in the running daemon, beside `find` printing sizes and times."""

import os
import signal
import statistics
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks import music, process
from benchmarks.figure import Figure
from tagger.catalog import engine, store
from tagger.library.walk import Walk
from tagger.records import Failure, Stage

FILES, FOLDERS = 20_000, 200
FIND_EVERY_S = 25
SETTINGS = """\
[library]
settle_s = 0
rescan_minutes = 1
[workers]
idle_s = 5
"""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=music.BUILD) as scratch:
        home = Path(scratch)
        root = _library(home)
        command = [*process.TAGGER, "serve", "--yes", "--catalog", str(home / "catalog.sqlite"), str(root)]
        with (home / "log").open("wb") as log:
            daemon = subprocess.Popen(command, env=process.environment(home, SETTINGS), stdout=log, stderr=log)
        try:
            rescan, find = _rescan_and_find(daemon, home / "log", root)
        finally:
            os.kill(daemon.pid, signal.SIGTERM)
            daemon.wait(timeout=30)
    return [
        Figure(
            what=f"CPU of a rescan of {FILES:,} unchanged files",
            ours=f"{1000 * rescan:.0f} ms",
            yardstick=f"{1000 * find:.0f} ms (find)",
            ratio=rescan / find,
            bar="5",
        )
    ]


def _library(home: Path) -> Path:
    root = home / "music"
    for folder in (root / f"album {number:03d}" for number in range(FOLDERS)):
        folder.mkdir(parents=True)
        for number in range(FILES // FOLDERS):
            (folder / f"{number:02d} track.mp3").write_bytes(b"no music")
    _put_into_catalog(root, home / "catalog.sqlite")
    return root


def _put_into_catalog(root: Path, catalog: Path) -> None:
    """As files that were looked at and failed for good: to a rescan they are as any other, and no hour is spent."""
    failure = Failure(stage=Stage.INSPECT, reason="not an audio file")
    writer = engine.open_writer(catalog)
    with writer.begin() as connection:
        store.put_root(connection, os.fsencode(root), root.stat().st_dev)
        for found in Walk(root=os.fsencode(root), exclude=()).files():
            store.put_unreadable(connection, found.path, os.fsencode(root), found.stat, failure, time.time())
    writer.close()


def _find(root: Path) -> float:
    return process.cpu_seconds(["find", str(root), "-type", "f", "-printf", "%s %T@ %p\n"])


def _rescan_and_find(daemon: "subprocess.Popen[bytes]", log: Path, root: Path) -> tuple[float, float]:
    """Median CPU seconds of three rescans, idling taken off, and of the finds in those minutes.

    Both start from rest, as whatever is periodic does: a loop of finds would find its code and data in the caches.
    """
    deadline = time.monotonic() + 900
    while b"watching" not in log.read_bytes():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.5)
    time.sleep(8)
    seconds, finds = [_cpu(daemon.pid)], []
    for second in range(1, 191):
        time.sleep(1)
        seconds.append(_cpu(daemon.pid))
        if second % FIND_EVERY_S == 0:
            finds.append(_find(root))
    steps = [after - before for before, after in pairwise(seconds)]
    idle = statistics.median(steps)
    return statistics.median(_bursts(steps, idle)), statistics.median(finds)


def _bursts(steps: list[float], idle: float) -> list[float]:
    """CPU above idling of each run of busy seconds."""
    bursts, current = [], 0.0
    for step in [*steps, idle]:
        if step > idle + 0.03:
            current += step - idle
        elif current:
            bursts.append(current)
            current = 0.0
    if not bursts:
        raise RuntimeError("no rescan was seen")
    return bursts


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
