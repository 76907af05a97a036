"""The frozen values that cross rooms and processes. Standard library only: every process imports this module."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import NamedTuple


class TaggerError(Exception):
    """What belongs to the user's command (settings, catalog, bundle, unknown label); the message says what to do."""


# --- what is on the disk -------------------------------------------------------------------------------------------


class FileStat(NamedTuple):
    """What tells one state of a file from another. A tuple: every scan compares one for each file of the library."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    nlink: int
    uid: int
    gid: int
    mode: int

    @classmethod
    def of(cls, result: os.stat_result) -> "FileStat":
        mode, inode, device, nlink, uid, gid, size_bytes = result[:7]  # half the cost of seven attributes
        mtime_ns, ctime_ns = _signed(result.st_mtime_ns), _signed(result.st_ctime_ns)
        return cls(_signed(device), _signed(inode), size_bytes, mtime_ns, ctime_ns, nlink, uid, gid, mode)


def _signed(number: int) -> int:
    """As SQLite's 64 bits hold it: a date past 2262, or an inode that is a hash, must not stop a scan."""
    return number if -(1 << 63) <= number < 1 << 63 else (number + (1 << 63)) % (1 << 64) - (1 << 63)


class Stage(StrEnum):
    """Where in the way of a file a failure happened."""

    INSPECT = "inspect"
    DECODE = "decode"
    ANALYZE = "analyze"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be read, decoded or heard; retried later."""

    stage: Stage
    reason: str
    detail: str = ""


# --- tags ----------------------------------------------------------------------------------------------------------


class Field(StrEnum):
    """What we write. The values are also the names of vetoes; CUSTOM stands for all TAGGER_* fields together."""

    GENRE = "genre"
    MOOD = "mood"
    GROUPING = "grouping"  # which holds the mood a second time, where the user wants that
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagValues:
    """The values that stand in a file, as text; standard fields as the container's reader shows them."""

    artist: str | None = None
    title: str | None = None
    album: str | None = None
    year: int | None = None
    genre: tuple[str, ...] = ()
    mood: tuple[str, ...] = ()
    grouping: tuple[str, ...] = ()
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # TAGGER_* name -> values

    def digest(self) -> str:
        """Changes whenever a value that a decision rests on changes."""
        return _digest([self.genre, self.mood, self.grouping, sorted((k, v) for k, v in self.own.items())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a file worker finds in a file without decoding it."""

    path: bytes
    stat: FileStat
    identity: str  # "1:sha256:…" of the encoded audio; no tag edit changes it
    container: str  # a name of tags.formats, e.g. "mp3", "flac", "ogg-vorbis"
    codec: str
    length_seconds: float | None  # as declared; not believed
    channels: int | None
    tags: TagValues
    refusal: "Refused | None" = None  # why this file can never be written as it stands; it is analysed all the same
    carried: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # what a new tag takes over from an older one


class FieldRule(StrEnum):
    FILL = "fill"
    OVERWRITE = "overwrite"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be written, field by field: the user's settings and the bundle's gates in one value."""

    genre: FieldRule = FieldRule.FILL
    mood: FieldRule = FieldRule.FILL
    grouping: FieldRule = FieldRule.OFF
    custom: bool = True
    genre_gate: float = 0.5
    mood_gate: float = 0.5
    genres: int = 1
    moods: int = 1
    genre_label_gates: Mapping[str, float] = field(
        default_factory=dict
    )  # label -> gate, where the bundle asks for more
    mood_label_gates: Mapping[str, float] = field(default_factory=dict)
    label_map: Mapping[str, str] = field(default_factory=dict)  # label -> text in the standard field
    v23_separator: str = "; "
    v23_mood: str = "TXXX:MOOD"  # or "TMOO"
    preserve_mtime: bool = False
    break_hardlinks: bool = False
    rewrite: bool = True  # False: what another bundle wrote stays as it is
    read_only: tuple[str, ...] = ()  # folders in which nothing is written

    def digest(self) -> str:
        return _digest(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the journal knows of a track when an edit is proposed."""

    written: Mapping[Field, tuple[str, ...]] = field(default_factory=dict)  # last values that we wrote, not undone
    before: Mapping[Field, tuple[str, ...]] = field(default_factory=dict)  # of those, what the user had there
    released: frozenset[Field] = frozenset()  # of those, where a change by the user is no veto: `write --again`
    vetoes: frozenset[Field] = frozenset()
    bundle_id: str | None = None  # of the last write that stands, None once `write --again` was said


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEdit:
    """One tag field's change; empty `new` removes the field. `name`: "genre", "mood", "grouping", TAGGER_*."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The tag changes that an analysis and a policy call for in one track; computed before anything is touched."""

    path: bytes
    stat: FileStat
    container: str
    identity: str
    fields: tuple[FieldEdit, ...]
    notes: Mapping[str, str]  # field name -> why it is not written ("below the gate", "the user's own value", "veto")
    policy: Policy
    bundle_id: str | None  # None: an undo
    carried: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of the inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The wanted values already stand, or nothing may be written; not an error."""

    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that cannot be written safely; judged anew when the file or the program changes."""

    reason: str  # from tags.refusals.Reason, the closed list
    detail: str = ""


Proposal = Edit | Unchanged | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A verified copy beside the file, waiting for its journal row and its rename."""

    path: bytes
    temp_name: bytes  # in the same directory
    temp_inode: int
    stat_before: FileStat
    hash_before: str  # sha256 of the whole file
    hash_after: str
    identity: str
    undo_record: bytes  # compressed; proven to rebuild the old file from the new one
    written: Mapping[str, tuple[str, ...]]  # field name -> values now in the copy
    replaced: Mapping[str, tuple[str, ...]]  # field name -> values that stood before, empty tuple where absent
    bundle_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    stat_after: FileStat


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The file changed between copy and rename; it stays as it is and is queued again."""

    reason: str


class JournalKind(StrEnum):
    WRITE = "write"
    UNDO = "undo"


class JournalState(StrEnum):
    PREPARED = "prepared"
    RENAMED = "renamed"
    DROPPED = "dropped"
    FOREIGN = "foreign"
    GONE = "gone"  # after a crash: the file was no longer there; should it come back, its content decides


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow:
    id: int
    kind: JournalKind
    state: JournalState
    at: str  # ISO 8601, UTC
    prepared: Prepared
    run: int | None = None  # one scan, or one stretch of the daemon's writing; None: an undo, or older than runs
    undoes: tuple[int, ...] | None = None  # of an undo: the writes that are taken back with it; None: all before it
    undone: bool = False  # of a write: an undo took it back
    released: bool = False  # of a write: `write --again` was said since


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which writes are meant: those that fit all that is said; every one where nothing is."""

    run: int | None = None
    since: str | None = None  # ISO 8601, UTC
    bundle_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPlan:
    """What undo does to a file: nothing where it is not exact and has no fields."""

    exact: bool = False  # the whole file, to the byte
    fields: tuple[FieldEdit, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)  # fields that stay, and why; "undo": of the file as a whole
    inspection: Inspection | None = None  # where it goes field by field

    @property
    def comes_back(self) -> bool:
        return self.exact or bool(self.fields)

    @property
    def way(self) -> str:
        """In words, for the file as a whole."""
        if self.exact:
            return "to the byte"
        return self.left.get("undo", "") if self.fields else f"nothing comes back: {self.left.get('undo', '')}"


# --- listening -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The chunks of one recording: 16-bit mono samples at the bundle's rate, chunk after chunk."""

    samples: bytes
    chunks: int
    length_seconds: float  # as decoding found it, where the plan met the end; else as declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What one bundle heard in one recording; every number in [0, 1] but the embedding."""

    bundle_id: str
    genre: str
    genre_confidence: float
    mood: str
    mood_confidence: float
    emotion: str
    valence: float
    arousal: float
    dominance: float
    probabilities: Mapping[str, Mapping[str, float]]  # head -> label -> calibrated probability
    embedding: bytes  # float16, little-endian
    chunks: int
    is_music: bool = True  # by the threshold of the bundle, which may have none


NOT_HEARD = frozenset({"too short", "silent"})
"""Reasons for which nothing is heard in a recording; no failure to try again."""


# --- decisions -----------------------------------------------------------------------------------------------------


class Outcome(StrEnum):
    WRITTEN = "written"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    NOT_HEARD = "not heard"  # too short or silent
    NOT_MUSIC = "not music"  # speech, noise: nothing is written
    DRY_RUN = "dry run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A memo of what was decided for one state of a track; serves explain, status and --dry-run."""

    outcome: Outcome
    reason: str
    notes: Mapping[str, str]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]
