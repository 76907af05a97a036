"""Seconds and bytes of a safe write, beside `cp` and fsync of the same file; and what a shared fsync of a folder saves.

The journal and the messages between processes are not in it; `scan_cost` has them. To see a file system with reflink
(btrfs, XFS), mount one at build/bench.
"""

import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mutagen.flac

from benchmarks import music
from benchmarks.figure import Figure
from benchmarks.files import edit_of, write
from tagger.records import Edit
from tagger.tags.write import make_durable

SIZES = {"1 MB": (8, 9), "100 MB": (770, 5)}
"""Seconds of noise, which FLAC cannot make smaller, and how many files."""
IN_ONE_FOLDER = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    seconds: float
    megabytes: float

    def words(self) -> str:
        return f"{self.seconds:.3f} s, {self.megabytes:.1f} MB"


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=music.BUILD) as scratch:
        folder = Path(scratch)
        clones = _clones(folder)
        figures = []
        for size, (length_seconds, count) in SIZES.items():
            for room in (True, False):
                source = _recording(folder, length_seconds, room=room)
                what = f"write of {size}, {'with' if room else 'without'} room in the padding"
                figures += _beside_cp(what, source, count, clones=clones)
        return [*figures, *_thousand(folder)]


def _beside_cp(what: str, source: Path, count: int, *, clones: bool) -> list[Figure]:
    ways = {"cp, fsync": "--reflink=never"} | ({"cp by reflink, fsync": "--reflink=always"} if clones else {})
    ours: list[Cost] = []
    copies: dict[str, list[Cost]] = {way: [] for way in ways}
    for number in range(count):
        path = source.with_name(f"{number} {source.name}")
        _copied(source, path, "--reflink=never")
        edit = edit_of(os.fsencode(path))
        ours.append(_cost(resource.RUSAGE_SELF, partial(_written, edit)))
        for way, option in ways.items():
            cost = _cost(resource.RUSAGE_CHILDREN, partial(_copied, source, path, option))
            copies[way].append(cost)
        path.unlink()
    figures = []
    for way, costs in copies.items():
        ratio = _median(ours).seconds / _median(costs).seconds
        note = way if clones else f"{way}; no reflink here"
        words = f"{_median(costs).words()} ({note})"
        figures.append(Figure(what=what, ours=_median(ours).words(), yardstick=words, ratio=ratio))
    return figures


def _thousand(folder: Path) -> list[Figure]:
    """Small files in one folder: with the one fsync of it that they share, and with one after each."""
    source = _recording(folder, 1, room=True)
    rounds = [[_in_one_folder(source, shared=shared) for shared in (True, False)] for _ in range(3)]
    shared, each = (statistics.median(times) for times in zip(*rounds, strict=True))
    return [
        Figure(
            what=f"write of {IN_ONE_FOLDER:,} files in one folder, each file",
            ours=f"{1000 * shared / IN_ONE_FOLDER:.1f} ms",
            yardstick=f"{1000 * each / IN_ONE_FOLDER:.1f} ms (the folder's fsync after each)",
            ratio=shared / each,
        )
    ]


def _in_one_folder(source: Path, *, shared: bool) -> float:
    """Seconds in all."""
    with tempfile.TemporaryDirectory(dir=source.parent) as scratch:
        paths = [Path(shutil.copy(source, Path(scratch) / f"{number}.flac")) for number in range(IN_ONE_FOLDER)]
        edits: list[Edit] = [edit_of(os.fsencode(path)) for path in paths]
        os.sync()
        started = time.perf_counter()
        for edit in edits:
            write(edit)
            if not shared:
                make_durable(os.fsencode(scratch))
        make_durable(os.fsencode(scratch))
        return time.perf_counter() - started


def _written(edit: Edit) -> None:
    write(edit)
    make_durable(os.path.dirname(edit.path))


def _recording(folder: Path, length_seconds: int, *, room: bool) -> Path:
    path = folder / f"{length_seconds} s, {'room' if room else 'no room'}.flac"
    noise = ["-f", "lavfi", "-i", "aevalsrc=random(0)|random(1)", "-t", str(length_seconds)]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *noise, str(path)], check=True)
    mutagen.flac.FLAC(path).save(padding=lambda _: 8192 if room else 0)
    _sync(path)
    return path


def _copied(source: Path, path: Path, reflink: str) -> None:
    subprocess.run(["cp", reflink, str(source), str(path)], check=True)
    _sync(path)


def _clones(folder: Path) -> bool:
    """Whether files can share blocks here."""
    (folder / "a").write_bytes(bytes(1 << 16))
    done = subprocess.run(["cp", "--reflink=always", folder / "a", folder / "b"], capture_output=True, check=False)
    return done.returncode == 0


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _cost(who: int, run: Callable[[], object]) -> Cost:
    """Of this process or its children; blocks are of 512 bytes, getrusage(2)."""
    blocks, started = resource.getrusage(who).ru_oublock, time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    return Cost(seconds=seconds, megabytes=(resource.getrusage(who).ru_oublock - blocks) * 512 / 1e6)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        seconds=statistics.median(cost.seconds for cost in costs),
        megabytes=statistics.median(cost.megabytes for cost in costs),
    )
