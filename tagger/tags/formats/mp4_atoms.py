"""MP4 atoms: where they lie, and the offset tables of the sound tracks.

Format: ISO/IEC 14496-12, and Apple's QuickTime file format for the metadata.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tagger.tags.formats.base import FormatError
from tagger.tags.refusals import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """One atom; `body` is where its content begins."""

    name: bytes
    offset: int
    body: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.offset

    @property
    def is_small(self) -> bool:
        """Whether its size stands in the usual four bytes."""
        return self.body == self.offset + 8


def atoms(file: BinaryIO, start: int, stop: int) -> Iterator[Atom]:
    """The atoms between two offsets. Raises FormatError where one runs past the end."""
    position = start
    while position + 8 <= stop:
        atom = _atom_at(file, position, stop)
        yield atom
        position = atom.end


def _atom_at(file: BinaryIO, position: int, stop: int) -> Atom:
    file.seek(position)
    header = file.read(16)
    length, body = int.from_bytes(header[:4], "big"), position + 8
    if length == 1:
        length, body = int.from_bytes(header[8:16], "big"), position + 16
    elif length == 0:
        length = stop - position
    if length < body - position or position + length > stop:
        raise FormatError(Reason.DAMAGED, f"atom {header[4:8]!r} at byte {position} runs past the end")
    return Atom(name=header[4:8], offset=position, body=body, end=position + length)


def child(file: BinaryIO, parent: Atom, name: bytes, skip: int = 0) -> Atom | None:
    """The first child of that name; `skip` bytes of the parent's own stand before its children."""
    return next((atom for atom in atoms(file, parent.body + skip, parent.end) if atom.name == name), None)


def only(file: BinaryIO, parent: Atom, name: bytes, skip: int = 0) -> Atom | None:
    """The one child of that name. Raises FormatError where there are several, or no atom fills the parent's end."""
    found, end = None, parent.body + skip
    for atom in atoms(file, end, parent.end):
        end = atom.end
        if atom.name == name:
            if found:
                raise FormatError(Reason.MP4_LAYOUT, f"several {name.decode()} atoms")
            found = atom
    if end != parent.end:
        raise FormatError(Reason.MP4_LAYOUT, f"bytes behind the last atom of {parent.name.decode('latin-1')}")
    return found


def descend(file: BinaryIO, parent: Atom, *names: bytes) -> Atom | None:
    """The atom at the end of a path of first children."""
    atom: Atom | None = parent
    for name in names:
        atom = child(file, atom, name) if atom else None
    return atom


def top_level(file: BinaryIO) -> list[Atom]:
    """The atoms of the file, up to an ID3v1 tag at its end.

    Raises FormatError for a fragmented one, and for more atoms than anybody could mean.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    found: list[Atom] = []
    position = 0
    while position + 8 <= size_bytes and not _is_id3v1(file, position, size_bytes):
        if len(found) == _MOST_ATOMS:
            raise FormatError(Reason.MP4_LAYOUT, f"more than {_MOST_ATOMS} atoms")
        found.append(_atom_at(file, position, size_bytes))
        if found[-1].name == b"moof":
            raise FormatError(Reason.MP4_FRAGMENTED)
        position = found[-1].end
    if sum(atom.name == b"moov" for atom in found) > 1:
        raise FormatError(Reason.MP4_LAYOUT, "several moov atoms")
    return found


def _is_id3v1(file: BinaryIO, position: int, size_bytes: int) -> bool:
    file.seek(position)
    return size_bytes - position == _ID3V1_BYTES and file.read(3) == b"TAG"


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetTable:
    """A chunk offset table (stco or co64): where its entries lie, and what they say."""

    entries_at: int
    width: int  # bytes an entry
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrack:
    """A sound track: codec, form, and the byte ranges of its samples in decode order."""

    codec: str
    length_seconds: float | None
    channels: int | None
    ranges: tuple[tuple[int, int], ...]


def offset_tables(file: BinaryIO, moov: Atom) -> list[OffsetTable]:
    """Of every track. Raises FormatError where one holds offsets of a kind that is not followed here."""
    found = []
    for trak in atoms(file, moov.body, moov.end):
        if trak.name == b"trak" and (table := descend(file, trak, b"mdia", b"minf", b"stbl")):
            inside = list(atoms(file, table.body, table.end))
            if any(atom.name == b"saio" for atom in inside):
                raise FormatError(Reason.MP4_OFFSETS, "offsets of auxiliary information (saio)")
            found += [_offset_table(file, atom) for atom in inside if atom.name in _WIDTHS]
    return found


def sound_tracks(file: BinaryIO, moov: Atom) -> list[SoundTrack]:
    """Raises FormatError where the sample tables contradict each other."""
    found = []
    for trak in atoms(file, moov.body, moov.end):
        media = child(file, trak, b"mdia") if trak.name == b"trak" else None
        handler = child(file, media, b"hdlr") if media else None
        if media and handler and read_body(file, handler)[8:12] == b"soun":
            found.append(_sound_track(file, media))
    return found


_ID3V1_BYTES = 128
_MOST_ATOMS = 10_000  # at the top level: one of eight bytes costs more to look at than to write
_WIDTHS = {b"stco": 4, b"co64": 8}
_CODECS = {b"mp4a": "aac", b"alac": "alac", b"fLaC": "flac", b"Opus": "opus", b"ac-3": "ac3"}


def _sound_track(file: BinaryIO, media: Atom) -> SoundTrack:
    stbl = descend(file, media, b"minf", b"stbl")
    if stbl is None:
        raise FormatError(Reason.MP4_OFFSETS, "no sample table")
    tables = {atom.name: atom for atom in atoms(file, stbl.body, stbl.end)}
    place = tables.get(b"stco") or tables.get(b"co64")
    if place is None or not {b"stsz", b"stsc", b"stsd"} <= tables.keys():
        raise FormatError(Reason.MP4_OFFSETS, "no offset table")
    offsets = _offset_table(file, place).offsets
    sizes = _sample_sizes(read_body(file, tables[b"stsz"]))
    runs = read_body(file, tables[b"stsc"])
    description = read_body(file, tables[b"stsd"])
    fourcc = description[12:16]
    channels = int.from_bytes(description[32:34], "big") if len(description) >= 34 else None
    return SoundTrack(
        codec=_CODECS.get(fourcc, fourcc.decode("latin-1").strip()),
        length_seconds=_seconds(file, media),
        channels=channels,
        ranges=tuple(_ranges(offsets, sizes, runs)),
    )


@dataclass(frozen=True, slots=True)
class _SampleSizes:
    """All the same (`fixed`), or each its own: a count that a hostile file claims is never laid out in memory."""

    fixed: int
    count: int
    each: tuple[int, ...] = ()

    def total(self, first: int, count: int) -> int:
        """Bytes of `count` samples from one on."""
        return self.fixed * count if self.fixed else sum(self.each[first : first + count])


def _ranges(offsets: tuple[int, ...], sizes: _SampleSizes, runs: bytes) -> Iterator[tuple[int, int]]:
    """Where each chunk begins and ends. `runs` is the body of stsc: from which chunk on, how many samples each."""
    count = int.from_bytes(runs[4:8], "big")
    if len(runs) < 8 + 12 * count or not count:
        raise FormatError(Reason.MP4_OFFSETS, "the table of chunks is cut short")
    starts = [struct.unpack_from(">II", runs, 8 + 12 * number) for number in range(count)]
    sample, run = 0, 0
    for number, offset in enumerate(offsets, start=1):
        while run + 1 < count and starts[run + 1][0] <= number:
            run += 1
        samples = starts[run][1]
        if sample + samples > sizes.count:
            raise FormatError(Reason.MP4_OFFSETS, "more chunks than samples")
        yield offset, offset + sizes.total(sample, samples)
        sample += samples


def _sample_sizes(body: bytes) -> _SampleSizes:
    fixed, count = int.from_bytes(body[4:8], "big"), int.from_bytes(body[8:12], "big")
    if fixed:
        return _SampleSizes(fixed, count)
    if len(body) < 12 + 4 * count:
        raise FormatError(Reason.MP4_OFFSETS, "the table of sizes is cut short")
    return _SampleSizes(0, count, struct.unpack_from(f">{count}I", body, 12))


def _offset_table(file: BinaryIO, atom: Atom) -> OffsetTable:
    body, width = read_body(file, atom), _WIDTHS[atom.name]
    count = int.from_bytes(body[4:8], "big")
    if len(body) < 8 + width * count:
        raise FormatError(Reason.MP4_OFFSETS, "the table of offsets is cut short")
    offsets = struct.unpack_from(f">{count}{'I' if width == 4 else 'Q'}", body, 8)
    return OffsetTable(entries_at=atom.body + 8, width=width, offsets=offsets)


def _seconds(file: BinaryIO, media: Atom) -> float | None:
    header = child(file, media, b"mdhd")
    body = read_body(file, header) if header else b""
    if len(body) < 20 or (body[0] == 1 and len(body) < 32):
        return None
    timescale, duration = struct.unpack_from(">IQ", body, 20) if body[0] == 1 else struct.unpack_from(">II", body, 12)
    return duration / timescale if timescale else None


def read_body(file: BinaryIO, atom: Atom) -> bytes:
    file.seek(atom.body)
    return file.read(atom.end - atom.body)
