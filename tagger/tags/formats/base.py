"""What a container format gives to the rest of the room: values, and plans of a new file over the old one.

A format never writes. `splice` answers with a plan: the new file as literal bytes and ranges copied from the old file.
Whatever is not ours is a copied range, so it comes back unchanged by construction, and the record that undoes a write
is the plan's mechanical inverse (`tagger.tags.splice`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from tagger.records import Refused, TagValues
from tagger.tags.refusals import Reason

PADDING_BYTES = 8192
"""Reserved behind the tag whenever the audio has to move anyway, so that later writes fit without moving it again."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes that are not taken from the old file."""

    data: bytes

    @property
    def length(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Copy:
    """`length` bytes of the old file from `offset` on."""

    offset: int
    length: int


Segment = Literal | Copy
Plan = tuple[Segment, ...]
"""The new file, segment after segment, over the old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How ID3v2.3 holds what it has no place for (several genres, a mood); WMA joins TAGGER_* values likewise."""

    v23_separator: str = "; "
    v23_mood: str = "TXXX:MOOD"  # or "TMOO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a tag that has no entries yet takes over from older ones: readers go by the new one alone, and hide those.

    `values` are to be among the changes of a splice that sets anything, by the names of `names.CARRIED`, REPLAYGAIN_*,
    and "genre", "mood" and "grouping" as far as the changes leave them as they are. `entries` are those of them that
    are not ours, raw, as they come to stand behind `Content.foreign`.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    entries: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a format reads in one file.

    `foreign` holds every entry of the tag that is not ours, raw and in order (ID3 frames with their headers, Vorbis
    comments, chunks); a splice leaves it equal byte for byte. With a `refusal` it may be incomplete.
    """

    tags: TagValues
    foreign: tuple[bytes, ...]
    codec: str
    length_seconds: float | None  # as declared
    channels: int | None
    refusal: Refused | None = None
    carried: Carried = Carried()


class FormatError(Exception):
    """The file cannot be read as this container, or its tag cannot be spliced safely."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)  # plain arguments, so that it survives a worker process
        self.reason, self.detail = reason, detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)

    def refused(self) -> Refused:
        return Refused(reason=self.reason, detail=self.detail)


class Format(Protocol):
    """One container. Files are open for reading, seekable, at any position; no method changes them."""

    @property
    def name(self) -> str:
        """The container's name, e.g. "ogg-vorbis"."""

    @property
    def suffixes(self) -> tuple[bytes, ...]:
        """File name endings of this container, lower case, with the dot."""

    def matches(self, head: bytes) -> bool:
        """Whether `head`, the bytes behind any leading ID3v2 tag, begins this container."""

    def read(self, file: BinaryIO) -> Content:
        """The values and foreign entries of a file; what prevents a splice is in the content's `refusal`.

        Raises FormatError where the file cannot be read as this container at all.
        """

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        """The file with the fields of `changes` set, surest value first; an empty tuple removes the field.

        Names are "genre", "mood", "grouping" and TAGGER_*; a field that is not named stays as it is, byte for byte.
        In a tag without entries also those of `Content.carried`.
        Raises FormatError where anything foreign would not survive.
        """

    def identity(self, file: BinaryIO) -> str:
        """The recording: "1:sha256:<hex>" over the encoded audio, which no tag edit changes."""
