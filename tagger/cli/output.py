"""Everything that is printed: the answer on stdout, the story on stderr.

Names of files and the values of their tags are written by strangers. All text passes `write_line`, which makes it one
line that cannot steer a terminal; answers for programs (JSON, and the bytes of `write_bytes`) are whole and untouched.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from tagger.harmless import harmless

LONGEST_CHARACTERS = 4096
"""Of one value that is shown to people: no path is longer, and a tag of a megabyte would hide all else."""


def brief(text: str) -> str:
    """The text, or the start of one that nobody would read to its end."""
    if len(text) <= LONGEST_CHARACTERS:
        return text
    return f"{text[:LONGEST_CHARACTERS]} … ({len(text)} characters)"


def write_line(text: str, stream: TextIO | None = None) -> None:
    """One line of harmless text; what the stream's encoding cannot show is escaped rather than an error."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(harmless(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def write_lines(text: str) -> None:
    for line in text.split("\n"):
        write_line(line)


def write_bytes(content: bytes) -> None:
    """An answer for a program, as it is; a terminal, where no program reads, gets harmless lines."""
    if sys.stdout.isatty():
        write_lines(content.decode("utf-8", "surrogateescape").removesuffix("\n"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_json(value: object, *, one_line: bool = False) -> None:
    """ASCII only: a path that is no UTF-8 keeps its bytes as escaped surrogates."""
    write_lines(json.dumps(value, ensure_ascii=True, indent=None if one_line else 2))


def complain(text: str) -> None:
    """A message about the command itself."""
    write_line(f"tagger: {brief(text)}", sys.stderr)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for people: fitted to a terminal, else whole, in columns two spaces apart."""
    shown = [[harmless(brief(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(columns, shown)
        return
    widths = [max(len(line[index]) for line in [list(columns), *shown]) for index in range(len(columns))]
    for line in [list(columns), *shown]:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        write_line("  ".join(cells).rstrip())


def size_text(size_bytes: int) -> str:
    """A size for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"


def pairs(values: Mapping[str, object]) -> None:
    """Names and values, one a line."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        write_line(f"{name.replace('_', ' ').ljust(width)}  {brief(_text(value))}")


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(of)}" for name, of in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    view = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        view.add_column(column, overflow="fold")
    for row in rows:
        view.add_row(*map(Text, row))
    Console().print(view)


class Console:
    """The reporter of a long command: lines as they come, a bar on a terminal, questions only there."""

    def __init__(self, *, answer: bool = False) -> None:
        """`answer`: what is said is the command's answer (a dry run) and goes to stdout."""
        self._stream = sys.stdout if answer else sys.stderr
        self._bar: Any = None
        self._task: Any = None

    @property
    def interactive(self) -> bool:
        """Whether somebody sits there who can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self._bar is not None and self._stream.isatty():
            self._bar.console.print(harmless(brief(text)), markup=False, highlight=False, emoji=False)
            return
        write_line(brief(text), self._stream)
        self._stream.flush()

    def progress(self, done: int, total: int, text: str) -> None:
        """How far the work is; nothing where nobody watches."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._start_bar()
        self._bar.update(self._task, completed=done, total=total, description=harmless(text))
        if done >= total:
            self.close()

    def confirm(self, text: str) -> bool:
        """Ask on a terminal; where there is none, nobody is asked and work goes on."""
        if not self.interactive:
            return True
        self.close()
        sys.stderr.write(f"{harmless(brief(text))} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().casefold() in ("y", "yes")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start_bar(self) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=RichConsole(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task("")
