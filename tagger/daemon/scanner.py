"""One pass over roots: what is new or changed is inspected, heard and written; what is gone is marked."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

from tagger.catalog import store, views
from tagger.catalog.views import Due, Standing
from tagger.daemon.pipeline import Pipeline, Result, StoppingError, program_version
from tagger.daemon.report import Reporter, ScanCounts
from tagger.daemon.turns import Turn, Turns
from tagger.library import mounts
from tagger.library.settle import Settling, age_s
from tagger.library.walk import Found, Walk
from tagger.records import Edit, Field, FileStat, Outcome
from tagger.tags.fields import OLDER_TAG, PREFIX, field_of

_Item = TypeVar("_Item")
_PAGE = 2000
"""Tracks asked of the catalog at once."""
_FILES = 500
"""Files that are named to the catalog at once."""
_Page = Callable[[Sequence[bytes] | None, int], list[Due]]
_DECIDE = "decide on"
_BREATH = 200
"""Files that are passed without a pause; a cold disk shows so many in a second or two."""


@dataclass(slots=True)
class _Look:
    """The files of a root when they were compared with the catalog, as one number, and the catalog's state then."""

    files: int
    changes: int = -1


@dataclass(slots=True, kw_only=True)
class Scanner:
    """Scans with one pipeline; `in_flight` tracks are under way at once, which bounds the memory.

    Between its steps it gives way to others' turns; what they change meanwhile is asked of the catalog, not remembered.
    """

    pipeline: Pipeline
    reporter: Reporter
    exclude: tuple[str, ...]
    settle_s: float
    in_flight: int
    turn: Turn = field(default_factory=lambda: Turn(Turns()))
    counts: ScanCounts = field(default_factory=ScanCounts)
    _last: dict[bytes, _Look] = field(default_factory=dict)

    async def scan(self, roots: Sequence[bytes], limit: int | None = None) -> ScanCounts:
        """One pass; young files come at its end, when they have stood still. `limit`: so many tracks are heard."""
        young: list[tuple[bytes, bytes]] = []
        given = self.turn.given
        for root in roots:
            await self._look(root, young)
        if settled := await self.pipeline.recover():  # now it is known what was moved, and what is gone
            self.reporter.say(f"{settled} writes that were cut off are settled: their files were moved, or are gone")
        await self.work(roots, limit)
        if young and limit is None:
            await self._wait_for(young)
            await self.work(roots, limit)
        self.counts.unchanged = max(0, self.counts.seen - self._touched())
        with self.pipeline.writer.begin() as connection:
            changes = views.changes(connection) if self.turn.given == given else -1
        for last in (self._last[root] for root in roots if root in self._last):
            last.changes = changes
        return self.counts

    async def take(self, path: bytes, root: bytes) -> None:
        """A file that a watcher named and that has settled: inspect it, or mark it missing."""
        found = found_at(path)
        with self.pipeline.writer.begin() as connection:
            known = views.known_file(connection, path)
            if found is None and known is not None and not known.missing:
                store.mark_missing(connection, [known.track_id], time.time())
                self.counts.missing += 1
        if found is not None and (known is None or known.missing or known.stat != found.stat):
            await self._inspect(path, root)

    def is_news(self, path: bytes) -> bool:
        """Whether a file is not as the catalog knows it; of our own writes it does, and they are none."""
        found = found_at(path)
        with self.pipeline.writer.begin() as connection:
            known = views.known_file(connection, path)
        if known is None or known.missing:
            return found is not None
        return found is None or known.stat != found.stat

    # --- looking --------------------------------------------------------------------------------------------------

    async def _look(self, root: bytes, young: list[tuple[bytes, bytes]]) -> None:
        """Compares a root with the catalog, unless both are as they were at the last look."""
        with self.pipeline.writer.begin() as connection:
            trouble = mounts.trouble(root, views.device_of(connection, root))
            failed_before = views.due_for_inspection(connection, time.time())
            changes = views.changes(connection)
        last = self._last.get(root)
        walk = Walk(root=root, exclude=self.exclude)
        if trouble:
            self.reporter.say(f"{os.fsdecode(root)} {trouble}; nothing under it counts as missing")
        if trouble or failed_before or last is None or last.changes != changes or not await self._as_before(walk, last):
            walk = Walk(root=root, exclude=self.exclude)
            await self._compare(root, walk, young, failed_before, mark_gone=not trouble)
        for folder in walk.unreadable:
            self.reporter.say(f"{os.fsdecode(folder)}: cannot be read; what lies in it stays as it was")
        for folder in {os.path.dirname(path) for path in walk.strays}:
            await self.pipeline.remove_strays(folder)
        with self.pipeline.writer.begin() as connection:
            if not trouble:
                store.put_root(connection, root, mounts.device_of(root))
                if not self.pipeline.dry_run:  # a library that was only looked at is still to be announced
                    store.root_scanned(connection, root, time.time())

    async def _as_before(self, walk: Walk, last: _Look) -> bool:
        """Whether the very files of the last look are there, each in the same state; cheaper than to ask for each."""
        files = number = 0
        for number, found in enumerate(walk.files(), start=1):
            files = hash((files, found))
            if number % _BREATH == 0:
                await self._breathe()
        if files != last.files:
            return False
        self.counts.seen += number
        return True

    async def _compare(
        self,
        root: bytes,
        walk: Walk,
        young: list[tuple[bytes, bytes]],
        failed_before: AbstractSet[int],
        *,
        mark_gone: bool,
    ) -> None:
        """Side by side with the catalog: what is gone is marked, what is new or changed is inspected."""
        gone: list[Standing] = []
        changed: list[bytes] = []
        files, now = 0, time.time()
        for found, row in merged(walk.files(), self._standing(root)):
            if found is None:
                assert row is not None
                gone.append(row)
                continue
            files = hash((files, found))
            self.counts.seen += 1
            if self.counts.seen % _BREATH == 0:
                await self._breathe()
            if row is not None and row.equals(found.stat) and row.track_id not in failed_before:
                continue
            if age_s(found.stat, now) < self.settle_s:
                young.append((found.path, root))
            else:
                changed.append(found.path)
        self._last.pop(root, None)
        if mark_gone and not walk.unreadable:  # else there is more to see another time
            self._last[root] = _Look(files)
        if mark_gone:
            self._mark_gone(root, gone, walk.unreadable, now)
        await self._each(changed, lambda path: self._inspect(path, root), "look at")

    async def _breathe(self) -> None:
        """A signal is heard on the way through a large library, and whoever waits is let in."""
        await asyncio.sleep(0)
        await self.turn.give_way()
        if self.pipeline.stopping:
            raise StoppingError

    def _standing(self, root: bytes) -> Iterator[Standing]:
        """What the catalog knows below a root, page by page: a library is never in memory as a whole."""
        after = b""
        while True:
            with self.pipeline.writer.begin() as connection:
                page = views.standing(connection, root, after, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].path

    def _mark_gone(self, root: bytes, gone: Sequence[Standing], unreadable: Sequence[bytes], began: float) -> None:
        """What is not there is missing, unless nobody can say: an unreadable folder, a disk that is not mounted.

        Nor is what came, or came back under another name, after this look began.
        """
        inner = {row.root for row in gone} - {root}
        with self.pipeline.writer.begin() as connection:
            absent = [other for other in inner if mounts.trouble(other, views.device_of(connection, other))]
        hidden = tuple(folder.rstrip(b"/") + b"/" for folder in (*unreadable, *absent))
        there = [row for row in gone if row.missing_since is None]
        ids = [row.track_id for row in there if not row.path.startswith(hidden or (b"\0",))]
        with self.pipeline.writer.begin() as connection:
            self.counts.missing += store.mark_missing(connection, ids, time.time(), not_seen_since=began)

    async def _inspect(self, path: bytes, root: bytes) -> None:
        found = found_at(path)
        if found is None:  # it went while it waited; whoever looks next says so
            return
        with self.pipeline.writer.begin() as connection:
            known = views.known_file(connection, path)
        failure = await self.pipeline.inspect(found, root, known)
        if failure:
            self._failed(found.path, failure.reason, failure.detail)

    async def _wait_for(self, young: Sequence[tuple[bytes, bytes]]) -> None:
        """Comes back to files that changed just before: each is taken once it has stood still."""
        settling, roots = Settling(self.settle_s), dict(young)
        for path in roots:
            settling.add(path, time.monotonic())
        while len(settling):
            await asyncio.sleep(min(self.settle_s, 0.5))
            await self._breathe()
            for path in settling.ready(time.monotonic()):
                await self.take(path, roots[path])

    # --- working --------------------------------------------------------------------------------------------------

    async def work(self, roots: Sequence[bytes], limit: int | None = None) -> None:
        """All that is due under these roots: listening, with each write behind it, then the rest."""
        below = tuple(root.rstrip(b"/") + b"/" for root in roots)
        await self._work(lambda due: due.path.startswith(below), None, limit)

    async def work_on(self, files: Sequence[bytes]) -> None:
        """What is due of these files; the catalog is asked for no other."""
        for start in range(0, len(files), _FILES):
            await self._work(lambda due: True, files[start : start + _FILES])

    async def decide(self, paths: Sequence[bytes]) -> None:
        """Decides on, and writes, what is known and due of these files, or below these folders."""
        files, below = frozenset(paths), tuple(path.rstrip(b"/") + b"/" for path in paths)
        waiting = await self._due(self._deciding, None)
        await self._each(
            [one for one in waiting if one.path in files or one.path.startswith(below)], self._decide, _DECIDE
        )

    async def _work(self, meant: Callable[[Due], bool], only: Sequence[bytes] | None, limit: int | None = None) -> None:
        heard: set[int] = set()
        while batch := [
            due for due in await self._due(self._listening, only) if meant(due) and due.track_id not in heard
        ]:
            batch = _one_a_recording(batch)[:limit]
            await self._each(batch, self._listen, "listen to")
            heard |= {due.track_id for due in batch}  # a copy whose twin failed is still due, and fails by itself
            if limit is not None:
                return
        # a dry run's decisions never count as decided: what it has just shown must not come again
        shown = heard if self.pipeline.dry_run else set()
        waiting = [due for due in await self._due(self._deciding, only) if meant(due) and due.track_id not in shown]
        await self._each(waiting, self._decide, _DECIDE)

    async def _due(self, page: _Page, only: Sequence[bytes] | None) -> list[Due]:
        found: list[Due] = []
        while due := page(only, found[-1].track_id if found else 0):
            found += due
            await self._breathe()
        return found

    def _listening(self, only: Sequence[bytes] | None, after: int) -> list[Due]:
        with self.pipeline.writer.begin() as connection:
            return views.due_for_listening(connection, self.pipeline.header.id, time.time(), after, _PAGE, only)

    def _deciding(self, only: Sequence[bytes] | None, after: int) -> list[Due]:
        bundle_id, digest = self.pipeline.header.id, self.pipeline.policy.digest()
        with self.pipeline.writer.begin() as connection:
            return views.due_for_decision(
                connection, bundle_id, digest, program_version(), time.time(), after, _PAGE, only
            )

    async def _listen(self, due: Due) -> None:
        with self.pipeline.writer.begin() as connection:
            heard = views.analysis_of(connection, due.identity, self.pipeline.header.id)
        if heard is None:  # else it was heard while others had their turn
            self._count(due, await self.pipeline.listen(due))

    async def _decide(self, due: Due) -> None:
        self._count(due, await self.pipeline.decide(due))

    def _count(self, due: Due, result: Result) -> None:
        self.counts.analyzed += result.analyzed
        if result.failure:
            self._failed(due.path, result.failure.reason, result.failure.detail)
        elif result.outcome in (Outcome.WRITTEN, Outcome.DRY_RUN):
            self.counts.written += 1
            if result.outcome is Outcome.DRY_RUN and result.edit:
                for line in describe(result.edit):
                    self.reporter.say(line)
        elif result.outcome is not None:
            self.counts.skipped += 1
            if self.pipeline.dry_run and result.reason:
                self.reporter.say(os.fsdecode(due.path))
                self.reporter.say(f"  not written: {result.reason}")

    def _failed(self, path: bytes, reason: str, detail: str) -> None:
        self.counts.failed += 1
        self.reporter.say(f"{os.fsdecode(path)}: {reason}" + (f" ({detail})" if detail else ""))

    def _touched(self) -> int:
        return self.counts.written + self.counts.skipped + self.counts.failed

    async def _each(self, items: Sequence[_Item], do: Callable[[_Item], Awaitable[None]], what: str) -> None:
        """Does it for every item, `in_flight` at once. After an error, or a signal, what is under way ends first.

        So it does where others wait: they have their turn between two items.
        """
        waiting, done, broken = deque(items), 0, False

        async def take_one_after_the_other() -> None:
            nonlocal done, broken
            while waiting:
                if self.pipeline.stopping:
                    raise StoppingError
                if broken:
                    return
                try:
                    await do(waiting.popleft())
                except BaseException:
                    broken = True
                    raise
                done += 1
                self.reporter.progress(done, len(items), what)
                if self.turn.over:
                    return

        while waiting:
            await self.turn.give_way()
            workers = (take_one_after_the_other() for _ in range(min(self.in_flight, len(waiting))))
            for ended in await asyncio.gather(*workers, return_exceptions=True):
                if ended is not None:
                    raise ended
            await self.pipeline.make_durable()


def _one_a_recording(due: Iterable[Due]) -> list[Due]:
    """The first track of each recording: its copies get the same analysis."""
    return list({one.identity: one for one in reversed(list(due))}.values())[::-1]


def merged(found: Iterator[Found], known: Iterator[Standing]) -> Iterator[tuple[Found | None, Standing | None]]:
    """Both in the order of their paths, side by side where they name the same file."""
    row = next(known, None)
    for file in found:
        while row is not None and row.path < file.path:
            yield None, row
            row = next(known, None)
        if row is not None and row.path == file.path:
            yield file, row
            row = next(known, None)
        else:
            yield file, None
    if row is not None:
        yield None, row
    for row in known:
        yield None, row


def found_at(path: bytes) -> Found | None:
    """The file at a path, None where none is."""
    try:
        return Found(path=path, stat=FileStat.of(os.lstat(path)))
    except OSError:
        return None


def describe(edit: Edit) -> list[str]:
    """A dry run's words: the file, then a line a field, also for those that stay, and why."""
    lines = [os.fsdecode(edit.path)]
    for change in edit.fields:
        before = f"{'; '.join(change.old)} -> " if change.old else ""
        lines.append(f"  {change.name}: {before}{'; '.join(change.new) or '(removed)'}")
    changed = {field_of(change.name) for change in edit.fields}
    for one in Field:
        if one not in changed and one in edit.notes:
            lines.append(f"  {PREFIX + '*' if one is Field.CUSTOM else one}: not written: {edit.notes[one]}")
    if OLDER_TAG in edit.notes:
        lines.append(f"  {OLDER_TAG}: {edit.notes[OLDER_TAG]}")
    return lines
