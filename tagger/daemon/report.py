"""What a long command tells whoever started it, and what came of it."""

from dataclasses import dataclass
from typing import Protocol


class Reporter(Protocol):
    """The command line's side, or the control socket's."""

    @property
    def interactive(self) -> bool:
        """Whether somebody sits there who can be asked."""

    def say(self, text: str) -> None:
        """One line, in which names and values may stand as the files have them; showing them safely is its part."""

    def progress(self, done: int, total: int, text: str) -> None: ...

    def confirm(self, text: str) -> bool:
        """True where nobody can be asked."""


@dataclass(slots=True, kw_only=True)
class ScanCounts:
    """Numbers of files; under a dry run `written` is what would be."""

    seen: int = 0
    unchanged: int = 0
    analyzed: int = 0
    written: int = 0
    skipped: int = 0
    failed: int = 0
    missing: int = 0


@dataclass(slots=True, kw_only=True)
class UndoReport:
    """Numbers of files; `partly`: of the undone, those that came back field by field and not to the byte.

    Under a dry run, what would be.
    """

    undone: int = 0
    partly: int = 0
    unchanged: int = 0
    failed: int = 0


@dataclass(slots=True, kw_only=True)
class PruneReport:
    """Numbers of undo records, and of their bytes."""

    pruned: int
    freed_bytes: int
