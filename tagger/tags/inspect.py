"""What a file is and says, without decoding it: stat, container, identity, tags."""

import errno
import hashlib
import os
from stat import S_ISREG
from typing import BinaryIO

from tagger.records import Failure, FileStat, Inspection, Refused, Stage, TagValues
from tagger.tags.formats.base import FormatError
from tagger.tags.formats.detect import detect
from tagger.tags.formats.payload import identity
from tagger.tags.refusals import Reason

OTHER = "other"
"""The container of a file that no module of `formats` knows; it is heard, never written."""
OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A symlink is an error, a pipe does not block, no child inherits the descriptor."""


def inspect(path: bytes, known: tuple[FileStat, str] | None = None) -> Inspection | Failure:
    """The state of a file. `known` is an earlier stat and identity, which holds while the stat is equal.

    A file that cannot be opened, is empty or not a regular file is a failure. A container without a module here is
    inspected all the same: its identity is over the whole file, and it carries a refusal.
    """
    try:
        with os.fdopen(os.open(path, OPEN_FLAGS), "rb") as file:
            return _inspection(path, file, known)
    except OSError as error:
        reason = "symbolic link" if error.errno == errno.ELOOP else "cannot be read"
        return Failure(stage=Stage.INSPECT, reason=reason, detail=error.strerror or "")


def _inspection(path: bytes, file: BinaryIO, known: tuple[FileStat, str] | None) -> Inspection | Failure:
    result = os.fstat(file.fileno())
    stat = FileStat.of(result)
    if not S_ISREG(result.st_mode):
        return Failure(stage=Stage.INSPECT, reason="not a regular file")
    if stat.size_bytes == 0:
        return Failure(stage=Stage.INSPECT, reason="empty file")
    same = known is not None and known[0] == stat
    try:
        container = detect(file, os.path.splitext(path)[1])
        content = container.read(file)
    except FormatError as error:
        return _other(path, file, stat, error.refused(), known[1] if known and same else None)
    return Inspection(
        path=path,
        stat=stat,
        identity=known[1] if known and same else container.identity(file),
        container=container.name,
        codec=content.codec,
        length_seconds=content.length_seconds,
        channels=content.channels,
        tags=content.tags,
        refusal=content.refusal,
        carried=content.carried.values,
    )


def _other(path: bytes, file: BinaryIO, stat: FileStat, refusal: Refused, known: str | None) -> Inspection:
    """A file that can be heard at most."""
    if refusal.reason == Reason.NOT_AUDIO:
        refusal = Refused(reason=Reason.CONTAINER, detail=os.path.splitext(path)[1].decode(errors="replace"))
    return Inspection(
        path=path,
        stat=stat,
        identity=known or identity(content_hash(file)),
        container=OTHER,
        codec="",
        length_seconds=None,
        channels=None,
        tags=TagValues(),
        refusal=refusal,
    )


def content_hash(file: BinaryIO) -> str:
    """SHA-256 of the whole file, in hex."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
