"""What audio files lie under a root, in the order of their paths."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from tagger.library.suffixes import AUDIO
from tagger.records import FileStat

TEMP_PREFIX, TEMP_SUFFIX = b".tagger-", b".tmp"
"""Names of copies that a crash may have left."""


class Found(NamedTuple):
    """An audio file by its name. A tuple, as `FileStat`: every scan makes one for each file."""

    path: bytes
    stat: FileStat


@dataclass(slots=True, kw_only=True)
class Walk:
    """One pass over a root; what it met beside audio files is known when the files are through."""

    root: bytes
    exclude: tuple[str, ...]
    unreadable: list[bytes] = field(default_factory=list)  # folders; nothing is known of what lies in them
    strays: list[bytes] = field(default_factory=list)  # our own temporary files

    def files(self) -> Iterator[Found]:
        """Audio files, path ascending byte by byte, as SQLite orders them. Links are not followed."""
        levels = [self._taken(self.root)]  # not a call a level: folders may lie deeper than Python lets calls lie
        while levels:
            entry = next(levels[-1], None)
            if entry is None:
                levels.pop()
            elif entry.is_dir(follow_symlinks=False):
                levels.append(self._taken(entry.path))
            elif is_audio(entry.name) and entry.is_file(follow_symlinks=False):
                try:
                    stat = FileStat.of(entry.stat(follow_symlinks=False))
                except OSError:  # it went while we looked
                    continue
                yield Found(entry.path, stat)

    def _taken(self, folder: bytes) -> "Iterator[os.DirEntry[bytes]]":
        """What lies in a folder and is not excluded, folders too, in order; strays are noted."""
        try:
            with os.scandir(folder) as entries:  # folders sort as the paths below them do: with a slash behind
                found = {e.name + b"/" if e.is_dir(follow_symlinks=False) else e.name: e for e in entries}
        except OSError:
            self.unreadable.append(folder)
            return
        names, paths = _patterns(self.exclude)
        start = len(self.root.rstrip(b"/")) + 1
        for key in sorted(found):
            entry = found[key]
            name = entry.name
            if name.startswith(b"."):
                if name.startswith(TEMP_PREFIX) and name.endswith(TEMP_SUFFIX):
                    self.strays.append(entry.path)
            elif not ((names and names.match(name)) or (paths and paths.match(entry.path, start))):
                yield entry


def is_audio(name: bytes) -> bool:
    """By the suffix alone; a name that begins with its only dot has none, and is passed over before."""
    return name[name.rfind(b".") :].lower() in AUDIO


def is_excluded(path: bytes, root: bytes, exclude: tuple[str, ...]) -> bool:
    """A pattern with a slash is held against the path below the root, any other against the name."""
    names, paths = _patterns(exclude)
    if names is not None and names.match(path, path.rfind(b"/") + 1):
        return True
    return paths is not None and paths.match(path, len(root.rstrip(b"/")) + 1) is not None


@lru_cache(maxsize=8)
def _patterns(exclude: tuple[str, ...]) -> tuple[re.Pattern[bytes] | None, re.Pattern[bytes] | None]:
    """One expression for names, one for paths; None where there is nothing to look for."""
    paths = [pattern for pattern in exclude if "/" in pattern]
    names = [pattern for pattern in exclude if "/" not in pattern]
    return _any_of(names), _any_of(paths)


def _any_of(patterns: Sequence[str]) -> re.Pattern[bytes] | None:
    return re.compile(b"|".join(os.fsencode(translate(pattern)) for pattern in patterns)) if patterns else None


def reason_by_name(path: bytes, root: bytes, exclude: Sequence[str]) -> str | None:
    """Why a file or folder is passed over for its name, None where it is not."""
    if os.path.basename(path).startswith(b"."):
        return "its name begins with a dot"
    if not is_excluded(path, root, tuple(exclude)):
        return None
    return "excluded by " + next(pattern for pattern in exclude if is_excluded(path, root, (pattern,)))


def passed_over(path: bytes, roots: Sequence[bytes], exclude: Sequence[str]) -> str | None:
    """Why a scan passes a path over, None where it takes it or the path lies under no root."""
    for root in roots:
        if not path.startswith(root.rstrip(b"/") + b"/"):
            continue
        part = path
        while part != root.rstrip(b"/"):
            linked = "symbolic links are not followed" if os.path.islink(part) else None
            if reason := reason_by_name(part, root, exclude) or linked:
                return reason if part == path else f"{os.fsdecode(part)}: {reason}"
            part = os.path.dirname(part)
        if not is_audio(path):
            return "no audio file by its name"
        if os.path.exists(path) and not os.path.isfile(path):
            return "not a regular file"
    return None
