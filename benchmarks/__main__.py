"""`python -m benchmarks [NAME…] [--keep]`: measure, print a table; with --keep, put it into docs/performance.md."""

import argparse
import datetime
import importlib
import os
import platform
import re
import shutil
import sys

from benchmarks import music
from benchmarks.figure import Figure, table

NAMES = ("scan_cost", "network", "files", "write_cost", "memory", "query_start", "rescan")
PAGE = music.ROOT / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures speed and memory, side by side with their yardsticks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without any")
    parser.add_argument("--keep", action="store_true", help=f"write the table into {PAGE.name}")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    if shutil.which("ffmpeg") is None:
        parser.error("ffmpeg is the yardstick and is not here: sudo apt-get install ffmpeg")
    figures: list[Figure] = []
    for name in arguments.names or NAMES:
        print(f"measuring {name} …", file=sys.stderr)
        figures += importlib.import_module(f"benchmarks.{name}").measure()
    print(table(figures))
    if arguments.keep:
        _keep(figures)


def _keep(figures: list[Figure]) -> None:
    """Replace the measured part of the page."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    measured = f"<!-- measured -->\nMeasured {day} on {machine}, without a GPU.\n\n{table(figures)}\n<!-- end -->"
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(r"<!-- measured -->.*<!-- end -->", lambda _: measured, text, flags=re.S), encoding="utf-8")


main()
