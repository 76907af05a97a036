"""CPU seconds a track of a whole scan, writing included, beside ffmpeg decoding the same files whole to nothing."""

import shutil
import tempfile
from pathlib import Path

from benchmarks import music
from benchmarks.figure import Figure
from benchmarks.process import TAGGER, cpu_seconds, environment


def measure() -> list[Figure]:
    tracks = music.tracks()
    with tempfile.TemporaryDirectory(dir=music.BUILD) as scratch:
        many, one = Path(scratch) / "many", Path(scratch) / "one"
        for folder, files in ((many, tracks), (one, tracks[:1])):
            (folder / "music").mkdir(parents=True)
            for file in files:
                shutil.copy(file, folder / "music")
        start = _scan(one)
        whole = _scan(many)
    ours = (whole - start) / (len(tracks) - 1)
    full = sum(_decode(track) for track in tracks) / len(tracks)
    return [
        Figure(
            what="CPU a track to scan and write, beside a full decode",
            ours=f"{ours:.2f} s",
            yardstick=f"{full:.2f} s (ffmpeg)",
            ratio=ours / full,
            bar="2",
        ),
        Figure(what="CPU to start, and scan one track", ours=f"{start:.1f} s", yardstick=""),
    ]


def _scan(folder: Path) -> float:
    return cpu_seconds([*TAGGER, "scan", "--yes", "--json", str(folder / "music")], environment(folder))


def _decode(track: Path) -> float:
    return cpu_seconds(
        ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-i", str(track), "-vn", "-f", "null", "-"]
    )
