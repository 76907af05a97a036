"""One pass over roots: what is new or changed is inspected, heard and written; what is gone is marked."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

from tagger.catalog import store, views
from tagger.catalog.views import Due, Standing
from tagger.daemon.pipeline import Pipeline, Result, StoppingError, program_version
from tagger.daemon.report import Reporter, ScanCounts
from tagger.library import mounts
from tagger.library.settle import Settling, age_s
from tagger.library.walk import Found, Walk
from tagger.records import Edit, Field, FileStat, Outcome
from tagger.tags.fields import OLDER_TAG, PREFIX, field_of

_Item = TypeVar("_Item")
_PAGE = 2000
"""Tracks asked of the catalog at once."""


@dataclass(slots=True)
class _Look:
    """The files of a root when they were compared with the catalog, as one number, and the catalog's state then."""

    files: int
    changes: int = -1


@dataclass(slots=True, kw_only=True)
class Scanner:
    """Scans with one pipeline; `in_flight` tracks are under way at once, which bounds the memory."""

    pipeline: Pipeline
    reporter: Reporter
    exclude: tuple[str, ...]
    settle_s: float
    in_flight: int
    counts: ScanCounts = field(default_factory=ScanCounts)
    _last: dict[bytes, _Look] = field(default_factory=dict)

    async def scan(self, roots: Sequence[bytes], limit: int | None = None) -> ScanCounts:
        """One pass; young files come at its end, when they have stood still. `limit`: so many tracks are heard."""
        young: list[tuple[bytes, bytes]] = []
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
            changes = views.changes(connection)
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
            await self._inspect(found, root)

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
            if number % _PAGE == 0:
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
        changed: list[Found] = []
        files, now = 0, time.time()
        for found, row in merged(walk.files(), self._standing(root)):
            if found is None:
                assert row is not None
                gone.append(row)
                continue
            files = hash((files, found))
            self.counts.seen += 1
            if self.counts.seen % _PAGE == 0:
                await self._breathe()
            if row is not None and row.equals(found.stat) and row.track_id not in failed_before:
                continue
            if age_s(found.stat, now) < self.settle_s:
                young.append((found.path, root))
            else:
                changed.append(found)
        self._last.pop(root, None)
        if mark_gone and not walk.unreadable:  # else there is more to see another time
            self._last[root] = _Look(files)
        if mark_gone:
            self._mark_gone(root, gone, walk.unreadable)
        await self._each(changed, lambda found: self._inspect(found, root), "look at")

    async def _breathe(self) -> None:
        """A signal is heard on the way through a large library."""
        await asyncio.sleep(0)
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

    def _mark_gone(self, root: bytes, gone: Sequence[Standing], unreadable: Sequence[bytes]) -> None:
        """What is not there is missing, unless nobody can say: an unreadable folder, a disk that is not mounted."""
        inner = {row.root for row in gone} - {root}
        with self.pipeline.writer.begin() as connection:
            absent = [other for other in inner if mounts.trouble(other, views.device_of(connection, other))]
        hidden = tuple(folder.rstrip(b"/") + b"/" for folder in (*unreadable, *absent))
        there = [row for row in gone if row.missing_since is None]
        ids = [row.track_id for row in there if not row.path.startswith(hidden or (b"\0",))]
        with self.pipeline.writer.begin() as connection:
            store.mark_missing(connection, ids, time.time())
        self.counts.missing += len(ids)

    async def _inspect(self, found: Found, root: bytes) -> None:
        with self.pipeline.writer.begin() as connection:
            known = views.known_file(connection, found.path)
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
            if self.pipeline.stopping:
                raise StoppingError
            for path in settling.ready(time.monotonic()):
                await self.take(path, roots[path])

    # --- working --------------------------------------------------------------------------------------------------

    async def work(self, roots: Sequence[bytes], limit: int | None = None) -> None:
        """All that is due under these roots, or of these files: listening, with each write behind it, then the rest."""
        header = self.pipeline.header
        now = time.time()

        def listening(after: int) -> list[Due]:
            with self.pipeline.writer.begin() as connection:
                return views.due_for_listening(connection, header.id, now, after, _PAGE)

        def deciding(after: int) -> list[Due]:
            digest, program = self.pipeline.policy.digest(), program_version()
            with self.pipeline.writer.begin() as connection:
                return views.due_for_decision(connection, header.id, digest, program, now, after, _PAGE)

        heard: set[int] = set()
        while batch := _one_a_recording(due for due in self._under(roots, listening) if due.track_id not in heard):
            await self._each(batch[:limit], self._listen, "listen to")
            await self.pipeline.make_durable()
            heard |= {due.track_id for due in batch}  # a copy whose twin failed is still due, and fails by itself
            if limit is not None:
                return
        # a dry run's decisions never count as decided: what it has just shown must not come again
        shown = heard if self.pipeline.dry_run else set()
        waiting = [due for due in self._under(roots, deciding) if due.track_id not in shown]
        await self._each(waiting, self._decide, "decide on")
        await self.pipeline.make_durable()

    def _under(self, roots: Sequence[bytes], page: Callable[[int], list[Due]]) -> Iterator[Due]:
        after = 0
        below = tuple(root.rstrip(b"/") + b"/" for root in roots)
        while due := page(after):
            yield from (one for one in due if one.path in roots or one.path.startswith(below))
            after = due[-1].track_id

    async def _listen(self, due: Due) -> None:
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
        """Does it for every item, `in_flight` at once. After an error, or a signal, what is under way ends first."""
        waiting, done, broken = iter(items), 0, False

        async def take_one_after_the_other() -> None:
            nonlocal done, broken
            for item in waiting:
                if self.pipeline.stopping:
                    raise StoppingError
                if broken:
                    return
                try:
                    await do(item)
                except BaseException:
                    broken = True
                    raise
                done += 1
                self.reporter.progress(done, len(items), what)

        workers = (take_one_after_the_other() for _ in range(min(self.in_flight, len(items))))
        for ended in await asyncio.gather(*workers, return_exceptions=True):
            if ended is not None:
                raise ended


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
