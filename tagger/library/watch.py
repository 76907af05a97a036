"""File system events, as paths to look at. The watcher decides nothing: it posts."""

import errno
import os
from collections.abc import Callable, Sequence

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver as BaseObserver

_CHANGES: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
"""All that the kernel is asked for: reading is no change, and our own scans and workers read all the time."""


class _Handler(FileSystemEventHandler):
    def __init__(self, post: Callable[[bytes], None]) -> None:
        self._post = post

    def on_any_event(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                self._post(os.fsencode(path))


def start(roots: Sequence[bytes], post: Callable[[bytes], None]) -> BaseObserver:
    """Watches folders with all that is below them; `post` is called in a thread of the observer.

    Raises OSError where the system's limit on watches is reached, or folders lie too deep (1,000 in one another).
    """
    observer = Observer()
    handler = _Handler(post)
    for root in roots:
        observer.schedule(handler, os.fsdecode(root), recursive=True, event_filter=_CHANGES)
    try:
        observer.start()
    except RecursionError as error:  # watchdog goes down by a call a folder
        raise OSError(errno.ENAMETOOLONG, "folders in too many others") from error
    return observer
