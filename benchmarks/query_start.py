"""How long `tagger query` takes to answer from a small catalog, beside an empty program that opens the same one."""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import music
from benchmarks.figure import Figure
from benchmarks.process import TAGGER, cpu_seconds, environment, wall_seconds
from benchmarks.tone import write_tone

ROUNDS = 15


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        write_tone(home / "music" / "tone.wav")
        environ = environment(home, TAGGER_CATALOG=str(home / "catalog.sqlite"), PYTHONPATH=str(music.ROOT))
        cpu_seconds([*TAGGER, "scan", "--yes", str(home / "music")], environ)
        ours, twin = [], []
        for _ in range(ROUNDS):
            ours.append(wall_seconds([*TAGGER, "query"], environ))
            twin.append(
                wall_seconds(
                    [sys.executable, "-m", "benchmarks.empty_twin", "query", "--catalog", str(home / "catalog.sqlite")],
                    environ,
                )
            )
    fast, yard = statistics.median(ours), statistics.median(twin)
    return [
        Figure(
            what="start of a query",
            ours=f"{1000 * fast:.0f} ms",
            yardstick=f"{1000 * yard:.0f} ms (empty twin)",
            ratio=fast / yard,
            bar="1.3",
        )
    ]
