"""Monkey's Audio, WavPack and Musepack: the audio, then an APE tag, then older tags that are never touched.

A file without an APE tag gets it between the audio and those, where other programs look for it. An ID3v2 tag in front
stays as it is.

Formats: `ape` for the tag, `ape_streams` for the audio.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.formats import ape, ape_streams, id3_values, older
from tagger.tags.formats.ape_streams import Stream
from tagger.tags.formats.base import Carried, Content, Copy, FormatError, Plan, Style
from tagger.tags.formats.id3_front import Layout, layout_of
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason
from tagger.tags.splice import tidy

_BEHIND = ((), ("id3v1",), ("id3v1", "lyrics3"))
"""What programs look past to find an APE tag, last one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApeFile:
    """One of the three; `stream` reads the head of the audio and may raise anything."""

    name: str
    suffixes: tuple[bytes, ...]
    marks: tuple[bytes, ...]
    stream: Callable[[BinaryIO, int], Stream]

    def matches(self, head: bytes) -> bool:
        return head.startswith(self.marks)

    def read(self, file: BinaryIO) -> Content:
        layout = layout_of(file)
        tag, refusal, carried = None, None, Carried()
        try:
            tag = _tag(file, layout)
            _check(file, layout, tag)
            carried = _carried(file, layout, tag)
        except FormatError as error:
            refusal = error.refused()
        length_seconds, channels = self._stream(file, layout)
        return Content(
            tags=_values(file, layout, tag),
            foreign=tag.foreign if tag else (),
            codec=self.name,
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
            carried=carried,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        layout = layout_of(file)
        tag = _tag(file, layout)
        _check(file, layout, tag)
        start, end = (tag.offset, tag.end) if tag else (layout.tail.start, layout.tail.start)
        return tidy((Copy(0, start), *ape.splice(tag, changes), Copy(end, layout.size_bytes - end)))

    def identity(self, file: BinaryIO) -> str:
        """Over all from the magic to the tail."""
        layout = layout_of(file)
        return identity_of_ranges(file, [(layout.audio_start, layout.tail.start)])

    def _stream(self, file: BinaryIO, layout: Layout) -> Stream:
        try:
            return self.stream(file, layout.audio_start)
        except Exception:  # mutagen meets hostile input here and leaks errors of every kind
            return None, None


def _tag(file: BinaryIO, layout: Layout) -> ape.Tag | None:
    """The APE tag of the file, None where it has none. Raises FormatError where its lengths do not hold together."""
    found = [index for index, (kind, _) in enumerate(layout.tail.tags) if kind == "ape"]
    if not found:
        return None
    last = found[0]
    offset = layout.tail.tags[last][1]
    end = layout.tail.tags[last - 1][1] if last else layout.size_bytes
    if end - offset > ape.MAX_TAG_BYTES + ape.END_BYTES:
        raise FormatError(Reason.APE_TOO_LARGE)
    return ape.parse(_read_at(file, offset, end - offset), offset)


def _check(file: BinaryIO, layout: Layout, tag: ape.Tag | None) -> None:
    """Raises FormatError unless the tag can be spliced, and stands where other programs find it."""
    kinds = tuple(kind for kind, _ in layout.tail.tags)
    if kinds.count("ape") > 1:
        raise FormatError(Reason.APE_TWICE)
    if kinds[: kinds.index("ape") if tag else len(kinds)] not in _BEHIND:
        raise FormatError(Reason.APE_HIDDEN, ", ".join(kinds))
    if not tag and kinds and _read_at(file, layout.audio_start, 4) == b"MPCK":
        raise FormatError(Reason.APE_AS_AUDIO)
    lyrics = layout.tail.offset("lyrics3")
    if lyrics is not None and not _is_lyrics3_v2(file, lyrics, layout.tail.offset("id3v1") or layout.size_bytes):
        raise FormatError(Reason.APE_HIDDEN, "lyrics3")
    if _read_at(file, layout.tail.start - ape.END_BYTES, 8) == b"APETAGEX":
        raise FormatError(Reason.APE_DAMAGED, "an end of a tag that does not lead to its other end")
    if tag:
        ape.check(tag)


def _is_lyrics3_v2(file: BinaryIO, offset: int, end: int) -> bool:
    """Whether the lyrics begin where the size at their end says, in the version that programs look past."""
    return _read_at(file, offset, 11) == b"LYRICSBEGIN" and _read_at(file, end - 9, 9) == b"LYRICS200"


def _values(file: BinaryIO, layout: Layout, tag: ape.Tag | None) -> TagValues:
    """What the APE tag says; where it is silent, what ID3v2 and ID3v1 do (an ID3v1 genre is no value)."""
    values = tag.values() if tag else TagValues()
    if layout.tags:
        offset, length = layout.tags[0]
        values = _filled(values, id3_values.read_tag(_read_at(file, offset, length)))
    if (offset_v1 := layout.tail.offset("id3v1")) is not None:
        values = _filled(values, id3_values.read_id3v1(_read_at(file, offset_v1, 128)))
    return values


def _carried(file: BinaryIO, layout: Layout, tag: ape.Tag | None) -> Carried:
    """TagLib goes by ID3v1 only where there is no APE tag, FFmpeg and MPD by ID3v2 in front."""
    if tag and tag.items:
        return Carried()
    in_front = (_read_at(file, offset, length) for offset, length in layout.tags)
    return ape.carried(tag, older.of_file(file, in_front, layout.tail, ape_tags=False))


def _filled(values: TagValues, other: TagValues) -> TagValues:
    """The values, and those of `other` where they are silent; TAGGER_* only as they stand."""
    return id3_values.filled(values, replace(other, own={}))


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(max(0, offset))
    return file.read(length)


MONKEYS_AUDIO = ApeFile(name="ape", suffixes=(b".ape",), marks=(b"MAC ",), stream=ape_streams.monkeys_audio)
WAVPACK = ApeFile(name="wavpack", suffixes=(b".wv",), marks=(b"wvpk",), stream=ape_streams.wavpack)
MUSEPACK = ApeFile(name="musepack", suffixes=(b".mpc", b".mp+"), marks=(b"MP+", b"MPCK"), stream=ape_streams.musepack)
