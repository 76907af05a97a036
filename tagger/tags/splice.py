"""Carrying out plans (`formats.base`): write a new file, invert a plan into the record that undoes it, join records.

An undo record is itself a plan: the old file as literals and ranges of the *new* one. It is kept compressed.
"""

import ctypes
import errno
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

from tagger.tags import libc
from tagger.tags.formats.base import Copy, Literal, Plan, Segment

UndoRecord = Plan
"""The old file over the new one."""

_BLOCK_BYTES = 1 << 20
_SHARED_BYTES = 4096
"""File systems with reflink share whole blocks of this size, between places that are multiples of it."""
_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h
_MAGIC = b"TU1"
_LITERAL = struct.Struct("<BQ")  # 0, length; the bytes follow
_COPY = struct.Struct("<BQQ")  # 1, offset, length


class DamagedRecordError(ValueError):
    """Bytes that are no undo record of ours."""


def size(plan: Plan) -> int:
    """Bytes of the file that the plan describes."""
    return sum(segment.length for segment in plan)


def tidy(segments: Iterable[Segment]) -> Plan:
    """The same file in as few segments as possible: empty ones dropped, neighbours joined."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        match last, segment:
            case _, (Literal(data=b"") | Copy(length=0)):
                continue
            case Literal(), Literal():
                joined[-1] = Literal(last.data + segment.data)
            case Copy(), Copy() if last.offset + last.length == segment.offset:
                joined[-1] = Copy(last.offset, last.length + segment.length)
            case _:
                joined.append(segment)
    return tuple(joined)


def cut(plan: Plan, start: int, length: int) -> Iterator[Segment]:
    """The segments that make up `length` bytes of the planned file from `start` on."""
    position = 0
    stop = start + length
    for segment in plan:
        first, last = max(start, position), min(stop, position + segment.length)
        if first < last:
            skipped = first - position
            if isinstance(segment, Literal):
                yield Literal(segment.data[skipped : last - position])
            else:
                yield Copy(segment.offset + skipped, last - first)
        position += segment.length


def write_plan(plan: Plan, source_fd: int, target_fd: int) -> None:
    """Write the planned file into the empty file `target_fd`, copying inside the kernel where it can.

    Raises OSError as the disk gives it, and EIO where the source ends before a planned range does.
    """
    position = 0
    for segment in plan:
        if isinstance(segment, Literal):
            _write(target_fd, segment.data, position)
        else:
            _copy(source_fd, target_fd, segment, position)
        position += segment.length
    _write_back(target_fd)


def blocks(plan: Plan, source_fd: int) -> Iterator[bytes]:
    """The planned file in blocks of at most 1 MiB, without writing it; for hashing."""
    for segment in plan:
        if isinstance(segment, Literal):
            yield segment.data
        else:
            for offset in range(segment.offset, segment.offset + segment.length, _BLOCK_BYTES):
                yield _read(source_fd, offset, min(_BLOCK_BYTES, segment.offset + segment.length - offset))


def rebuilt_hash(record: UndoRecord, new_fd: int, old_fd: int, old_size: int) -> str | None:
    """SHA-256 of the old file, in hex, as the record rebuilds it from the new one; None where a byte would differ.

    The blocks that are compared are those that are hashed: the hash is of what the record gives back.
    """
    if size(record) != old_size:
        return None
    digest = hashlib.sha256()
    position = 0
    for block in blocks(record, new_fd):
        if block != _read(old_fd, position, len(block)):
            return None
        digest.update(block)
        position += len(block)
    return digest.hexdigest()


def inverse(plan: Plan, source_size: int, read_old: Callable[[int, int], bytes]) -> UndoRecord:
    """The old file, `source_size` bytes, over the file that `plan` makes of it.

    `read_old(offset, length)` gives the bytes of the old file that the new one no longer holds.
    """
    kept: list[tuple[int, int, int]] = []  # offset in the old file, offset in the new one, length
    position = 0
    for segment in plan:
        if isinstance(segment, Copy):
            kept.append((segment.offset, position, segment.length))
        position += segment.length
    record: list[Segment] = []
    done = 0
    for old, new, length in sorted(kept):
        if old > done:
            record.append(Literal(read_old(done, old - done)))
            done = old
        fresh = old + length - done  # a range that was copied twice counts once
        if fresh > 0:
            record.append(Copy(new + length - fresh, fresh))
            done += fresh
    if done < source_size:
        record.append(Literal(read_old(done, source_size - done)))
    return tidy(record)


def compose(older: UndoRecord, newer: UndoRecord) -> UndoRecord:
    """The first file over the third, from the first over the second (`older`) and the second over the third."""
    composed: list[Segment] = []
    for segment in older:
        if isinstance(segment, Literal):
            composed.append(segment)
        else:
            composed.extend(cut(newer, segment.offset, segment.length))
    return tidy(composed)


def encode(record: UndoRecord) -> bytes:
    """The record as compressed bytes, for the journal."""
    parts: list[bytes] = []
    for segment in record:
        if isinstance(segment, Literal):
            parts += (_LITERAL.pack(0, segment.length), segment.data)
        else:
            parts.append(_COPY.pack(1, segment.offset, segment.length))
    return _MAGIC + zlib.compress(b"".join(parts), level=9)


def decode(encoded: bytes) -> UndoRecord:
    """The record that `encode` packed. Raises DamagedRecordError for anything else."""
    if not encoded.startswith(_MAGIC):
        raise DamagedRecordError("not an undo record of this version")
    try:
        packed = zlib.decompress(encoded[len(_MAGIC) :])
        return tuple(_segments(packed))
    except (zlib.error, struct.error) as error:
        raise DamagedRecordError(f"the undo record is damaged: {error}") from error


def _segments(packed: bytes) -> Iterator[Segment]:
    position = 0
    while position < len(packed):
        if packed[position] == 0:
            _, length = _LITERAL.unpack_from(packed, position)
            position += _LITERAL.size
            if position + length > len(packed):
                raise DamagedRecordError("the undo record is cut short")
            yield Literal(packed[position : position + length])
            position += length
        else:
            _, offset, length = _COPY.unpack_from(packed, position)
            position += _COPY.size
            yield Copy(offset, length)


def _copy(source_fd: int, target_fd: int, segment: Copy, position: int) -> None:
    done = 0
    while done < segment.length:
        left = _next_length(segment, position, done)
        try:
            copied = os.copy_file_range(source_fd, target_fd, left, segment.offset + done, position + done)
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
            copied = 0
        if copied == 0:  # not possible between these file systems, or the source ended: the read will tell
            data = _read(source_fd, segment.offset + done, min(left, _BLOCK_BYTES))
            _write(target_fd, data, position + done)
            copied = len(data)
        done += copied


def _write_back(fd: int) -> None:
    """Has the disk begin to write, so that the fsync to come is short; sync_file_range(2), where there is one."""
    begin = libc.call("sync_file_range")
    if begin is not None:
        begin(fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)


def _next_length(segment: Copy, position: int, done: int) -> int:
    """Bytes to copy next: where whole blocks could be shared, first those that lead up to one."""
    left = segment.length - done
    to_block = -(position + done) % _SHARED_BYTES
    if (segment.offset - position) % _SHARED_BYTES or to_block == 0:
        return left
    return min(left, to_block)


def _read(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    while len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            raise OSError(errno.EIO, "the file ended while it was being copied")
        data += more
    return data


def _write(fd: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, position)
        position += written
        view = view[written:]
