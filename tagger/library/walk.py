"""What audio files lie under a root, in the order of their paths."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tagger.library.suffixes import AUDIO
from tagger.records import FileStat

TEMP_PREFIX, TEMP_SUFFIX = b".tagger-", b".tmp"
"""Names of copies that a crash may have left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    path: bytes
    stat: FileStat


@dataclass(slots=True, kw_only=True)
class Walk:
    """One pass over a root; what it met beside audio files is known when the files are through."""

    root: bytes
    exclude: Sequence[str]
    unreadable: list[bytes] = field(default_factory=list)  # folders; nothing is known of what lies in them
    strays: list[bytes] = field(default_factory=list)  # our own temporary files

    def files(self) -> Iterator[Found]:
        """Audio files, path ascending byte by byte, as SQLite orders them. Links are not followed."""
        yield from self._folder(self.root)

    def _folder(self, folder: bytes) -> Iterator[Found]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=_order)
        except OSError:
            self.unreadable.append(folder)
            return
        for entry in found:
            if entry.name.startswith(TEMP_PREFIX) and entry.name.endswith(TEMP_SUFFIX):
                self.strays.append(entry.path)
            elif reason_by_name(entry.path, self.root, self.exclude) is None:
                yield from self._entry(entry)

    def _entry(self, entry: os.DirEntry[bytes]) -> Iterator[Found]:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from self._folder(entry.path)
            elif is_audio(entry.name) and entry.is_file(follow_symlinks=False):
                yield Found(path=entry.path, stat=FileStat.of(entry.stat(follow_symlinks=False)))
        except FileNotFoundError:  # it went while we looked
            return


def is_audio(name: bytes) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO


def reason_by_name(path: bytes, root: bytes, exclude: Sequence[str]) -> str | None:
    """Why a file or folder is passed over for its name, None where it is not."""
    name = os.path.basename(path)
    if name.startswith(b"."):
        return "its name begins with a dot"
    if exclude:
        text, below = os.fsdecode(name), os.fsdecode(os.path.relpath(path, root))
        for pattern in exclude:
            if fnmatchcase(text, pattern) or fnmatchcase(below, pattern):
                return f"excluded by {pattern}"
    return None


def passed_over(path: bytes, roots: Sequence[bytes], exclude: Sequence[str]) -> str | None:
    """Why a scan passes a path over, None where it takes it or the path lies under no root."""
    for root in roots:
        if not path.startswith(root.rstrip(b"/") + b"/"):
            continue
        part = path
        while part != root.rstrip(b"/"):
            if reason := reason_by_name(part, root, exclude):
                return reason if part == path else f"{os.fsdecode(part)}: {reason}"
            part = os.path.dirname(part)
        if os.path.islink(path):
            return "symbolic links are not followed"
        if not is_audio(path):
            return "no audio file by its name"
    return None


def _order(entry: os.DirEntry[bytes]) -> bytes:
    """Folders sort as the paths below them do: with a slash behind the name."""
    return entry.name + b"/" if entry.is_dir(follow_symlinks=False) else entry.name
