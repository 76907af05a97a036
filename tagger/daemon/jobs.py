"""What main asks of its workers, and the frames in which question and answer travel."""

import pickle
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from tagger.analysis.chunks import ChunkPlan
from tagger.records import (
    Analysis,
    Decoded,
    Edit,
    FileStat,
    History,
    Inspection,
    JournalRow,
    Policy,
    Prepared,
    Proposal,
)

FRAME = struct.Struct("<II")
"""Lengths of the pickled record and of the raw bytes that follow it."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """-> Inspection | Failure"""

    path: bytes
    known: tuple[FileStat, str] | None


@dataclass(frozen=True, slots=True)
class Decode:
    """-> Decoded | Failure, the samples as raw bytes"""

    path: bytes
    plan: ChunkPlan
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Propose:
    """-> Proposed | Failure"""

    path: bytes
    known: tuple[FileStat, str]
    analysis: Analysis
    policy: Policy
    history: History
    now: str
    dry_run: bool  # refuse, too, what only the attempt to write would show


@dataclass(frozen=True, slots=True)
class Proposed:
    inspection: Inspection
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Prepare:
    """-> Prepared | Refused | Dropped | Failure"""

    edit: Edit


@dataclass(frozen=True, slots=True)
class PrepareUndo:
    """-> (Prepared | Refused | Dropped | Unchanged, notes) | Failure"""

    path: bytes
    rows: Sequence[JournalRow]
    policy: Policy
    selected: frozenset[int] | None  # None: all


@dataclass(frozen=True, slots=True)
class PlanUndo:
    """-> UndoPlan | Refused | Dropped | Failure"""

    path: bytes
    rows: Sequence[JournalRow]
    policy: Policy
    selected: frozenset[int] | None  # None: all


@dataclass(frozen=True, slots=True)
class Commit:
    """-> Committed | Dropped | Failure"""

    prepared: Prepared


@dataclass(frozen=True, slots=True)
class MakeDurable:
    """-> None | Failure"""

    directory: bytes


@dataclass(frozen=True, slots=True)
class Abort:
    """-> None"""

    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Settle:
    """-> JournalState"""

    prepared: Prepared


@dataclass(frozen=True, slots=True)
class RemoveStrays:
    """-> int, how many copies were removed"""

    directory: bytes
    keep: frozenset[bytes]  # names of copies that are still needed


@dataclass(frozen=True, slots=True)
class Hear:
    """-> list[Analysis]; the samples of all recordings follow as raw bytes"""

    recordings: Sequence[Decoded]  # without samples
    sizes_bytes: Sequence[int]


FileJob = (
    Inspect | Decode | Propose | Prepare | PrepareUndo | PlanUndo | Commit | MakeDurable | Abort | Settle | RemoveStrays
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A worker's own trouble (memory, a missing module): never blamed on the file."""

    detail: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker's first word."""

    facts: Mapping[str, Any]


def pack(record: object, raw: bytes = b"") -> bytes:
    pickled = pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL)
    return FRAME.pack(len(pickled), len(raw)) + pickled + raw


def read_frame(pipe: BinaryIO) -> tuple[Any, bytes] | None:
    """The next record of a pipe and its raw bytes; None at its end."""
    head = pipe.read(FRAME.size)
    if len(head) < FRAME.size:
        return None
    pickled, raw = FRAME.unpack(head)
    return pickle.loads(pipe.read(pickled)), pipe.read(raw)
