"""What a user is told, and asked, before the first file of a library is written."""

import os
from collections.abc import Sequence
from pathlib import Path

from tagger.catalog import engine, views
from tagger.daemon.report import Reporter
from tagger.daemon.scanner import Scanner
from tagger.library.walk import Walk
from tagger.records import FieldRule, Policy, TaggerError
from tagger.tags.attributes import can_give_back

EXAMPLES = 10


async def announce(scanner: Scanner, roots: Sequence[bytes], catalog: Path, reporter: Reporter, *, yes: bool) -> None:
    """Says what will happen to a library that was never scanned; on a terminal shows ten proposals and asks.

    Raises TaggerError where the answer is no; nothing was written then.
    """
    with scanner.pipeline.writer.begin() as connection:
        new = [root for root in roots if not views.was_scanned(connection, root)]
    if not new or scanner.pipeline.dry_run:
        return
    for line in _what(new, scanner, catalog):
        reporter.say(line)
    if yes or not reporter.interactive:
        return
    for text in await _examples(scanner, new):
        reporter.say(text)
    if not reporter.confirm("Write these tags, and those of all other tracks?"):
        raise TaggerError("nothing was written; `tagger scan --dry-run` shows everything that would be")


def _what(roots: Sequence[bytes], scanner: Scanner, catalog: Path) -> list[str]:
    files, size_bytes, foreign = 0, 0, 0
    for root in roots:
        for found in Walk(root=root, exclude=scanner.exclude).files():
            files += 1
            size_bytes += found.stat.size_bytes
            foreign += not can_give_back(found.stat)
    names = ", ".join(os.fsdecode(root) for root in roots)
    lines = [
        f"First run on {names}: {files} audio files, {size_bytes / 1e9:.2f} GB.",
        f"Will write: {_policy(scanner.pipeline.policy)}.",
        "Each file that is written is copied once on its disk and its modification time changes (unless "
        "tags.preserve_mtime is set), so sync and backup programs will copy it again.",
        f"Every write can be undone: {engine.journal_path(catalog)} keeps what is needed; `tagger undo --all` "
        "puts every file back, byte for byte.",
    ]
    if read_only := scanner.pipeline.policy.read_only:
        lines.append(f"Heard only, never written: {', '.join(read_only)} (library.read_only).")
    if foreign:
        lines.append(
            f"{foreign} files belong to other users and will not be written: their owner could not be restored."
        )
    return lines


def _policy(policy: Policy) -> str:
    parts = [
        f"genre ({policy.genre}, from confidence {policy.genre_gate:g})",
        f"mood ({policy.mood}, from confidence {policy.mood_gate:g})",
    ]
    if policy.grouping is not FieldRule.OFF:
        parts.append(f"the mood also as grouping ({policy.grouping})")
    return ", ".join([*parts, *(["the TAGGER_* fields"] if policy.custom else [])])


async def _examples(scanner: Scanner, roots: Sequence[bytes]) -> list[str]:
    """Proposals for the first tracks, by a dry run that leaves nothing but its analyses."""
    shown: list[str] = []
    dry = Scanner(
        pipeline=scanner.pipeline,
        reporter=_Collector(shown),
        exclude=scanner.exclude,
        settle_s=scanner.settle_s,
        in_flight=scanner.in_flight,
    )
    scanner.pipeline.dry_run = True
    try:
        await dry.scan(roots, limit=EXAMPLES)
    finally:
        scanner.pipeline.dry_run = False
    return shown


class _Collector:
    """Keeps what is said."""

    interactive = False

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def say(self, text: str) -> None:
        self._said.append(text)

    def progress(self, done: int, total: int, text: str) -> None:
        return

    def confirm(self, text: str) -> bool:
        return True
