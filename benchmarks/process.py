"""Running the program as a user does, and what it takes: CPU time and memory of whole process trees."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TAGGER = [sys.executable, "-m", "tagger.cli"]


def environment(home: Path, *settings: str, **more: str) -> dict[str, str]:
    """An empty home with these settings, and the bundle of TAGGER_BENCH_BUNDLE if it names one."""
    bundle = os.environ.get("TAGGER_BENCH_BUNDLE")
    text = "\n".join((*settings, f'[model]\nbundle = "{bundle}"\n' if bundle else ""))
    config = home / ".config" / "tagger" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAGGER_", "XDG_"))}
    return {**kept, "HOME": str(home), **more}


def cpu_seconds(command: Sequence[str], environ: Mapping[str, str] | None = None) -> float:
    """User and system time of a command and all its descendants, which it must have waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environ, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wall_seconds(command: Sequence[str], environ: Mapping[str, str] | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environ, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def proportional_mb(pid: int) -> float:
    """Memory of one process, shared pages divided among those who share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no Pss of process {pid}")


def name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return next((word.decode() for word in words if b"worker" in word), "main").rpartition(".")[2]
