"""M4A: entries of the metadata list are spliced one by one; where the audio has to move, offset tables follow it."""

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tagger.records import TagValues
from tagger.tags.fields import PREFIX
from tagger.tags.formats import mp4_atoms
from tagger.tags.formats.base import PADDING_BYTES, Content, Copy, FormatError, Literal, Plan, Segment, Style
from tagger.tags.formats.mp4_atoms import Atom, OffsetTable, atoms, only, sound_tracks, top_level
from tagger.tags.formats.mp4_values import META_SKIP, beside, checked_metas, handler, values
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason
from tagger.tags.splice import size, tidy

_NAMES = {"genre": b"\xa9gen", "grouping": b"\xa9grp"}
_FIELDS = {b"\xa9gen": "genre", b"gnre": "genre", b"\xa9grp": "grouping"}
"""What an entry holds: `gnre` is the genre as a number, ID3v1's and one."""
_NAMED = {"MOOD": "mood", "GENRE": "genre"}  # the latter by another's hand: players show it like the genre
_MOST_FREE_BYTES = 1 << 22  # of a free atom that is looked through
_MEAN = b"com.apple.iTunes"
_HANDLER = bytes(8) + b"mdirappl" + bytes(9)
Patch = tuple[int, int, Plan]
"""Offset and length of what is replaced, and by what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    atom: Atom
    field: str | None  # ours, or None for a foreign one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    top: tuple[Atom, ...]
    moov: Atom
    udta: Atom | None
    meta: Atom | None
    ilst: Atom | None
    entries: tuple[_Entry, ...]
    beside: Mapping[str, tuple[str, ...]]  # what players show from other places than the list


@dataclass(frozen=True, slots=True)
class Mp4:
    name: str = "mp4"
    suffixes: tuple[bytes, ...] = (b".m4a", b".m4b", b".mp4")

    def matches(self, head: bytes) -> bool:
        return head[4:8] == b"ftyp"

    def read(self, file: BinaryIO) -> Content:
        tags, refusal = TagValues(), None
        foreign: tuple[bytes, ...] = ()
        codec, length_seconds, channels = "aac", None, None
        try:
            layout = _layout(file)
            tags = values(file, layout.beside)
            foreign = tuple(_raw(file, entry.atom) for entry in layout.entries if entry.field is None)
            track = _checked_tracks(file, layout.top)[0]
            codec, length_seconds, channels = track.codec, track.length_seconds, track.channels
        except FormatError as error:
            refusal = error.refused()
        return Content(
            tags=tags,
            foreign=foreign,
            codec=codec,
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        layout = _layout(file)
        _checked_tracks(file, layout.top)
        if contradicting := sorted(layout.beside.keys() & changes.keys()):
            raise FormatError(Reason.MP4_BESIDE, ", ".join(contradicting))
        content = _list_content(layout, changes)
        if layout.ilst is None:
            return _inserted(file, layout, content)
        return _replaced(file, layout, content)

    def identity(self, file: BinaryIO) -> str:
        """Over the samples of each sound track, in decode order; over the whole file where they cannot be found."""
        try:
            tracks = _checked_tracks(file, tuple(top_level(file)))
        except FormatError:
            return identity_of_ranges(file, [(0, file.seek(0, os.SEEK_END))])
        return identity_of_ranges(file, [place for track in tracks for place in track.ranges])


MP4 = Mp4()


def _layout(file: BinaryIO) -> _Layout:
    """Raises FormatError where there is more than one list, or one that other programs would not find."""
    top = tuple(top_level(file))
    moov = _moov(top)
    metas = checked_metas(file, top, moov)
    udta = only(file, moov, b"udta")
    meta = only(file, udta, b"meta") if udta else None
    ilst = only(file, meta, b"ilst", META_SKIP) if meta else None
    if not all(atom.is_small for atom in (moov, udta, meta, ilst) if atom):
        raise FormatError(Reason.MP4_LAYOUT, "64-bit sizes")
    kind = handler(file, meta) if meta else b"mdir"
    if kind == b"mdta" or (ilst is None and kind != b"mdir"):
        raise FormatError(
            Reason.MP4_LAYOUT, f"metadata of the kind {kind.decode('latin-1')!r} in the place of the list"
        )
    return _Layout(
        top=top,
        moov=moov,
        udta=udta,
        meta=meta,
        ilst=ilst,
        entries=tuple(_entry(file, atom) for atom in atoms(file, ilst.body, ilst.end)) if ilst else (),
        beside=beside(file, [one for one in metas if one != meta], udta),
    )


def _moov(top: Sequence[Atom]) -> Atom:
    found = next((atom for atom in top if atom.name == b"moov"), None)
    if found is None:
        raise FormatError(Reason.DAMAGED, "no moov atom")
    return found


def _checked_tracks(file: BinaryIO, top: Sequence[Atom]) -> list[mp4_atoms.SoundTrack]:
    """Raises FormatError unless every chunk lies in a media atom, and all together are no longer than the file."""
    tracks = sound_tracks(file, _moov(top))
    media = [atom for atom in top if atom.name == b"mdat"]
    begins = [atom.body for atom in media]
    ranges = [place for track in tracks for place in track.ranges]
    for start, stop in ranges:
        behind = bisect_right(begins, start)
        if not behind or stop > media[behind - 1].end:
            raise FormatError(Reason.MP4_OFFSETS, f"a chunk at byte {start}")
    if sum(stop - start for start, stop in ranges) > file.seek(0, os.SEEK_END):
        raise FormatError(Reason.MP4_OFFSETS, "chunks that lie over each other")
    if not tracks:
        raise FormatError(Reason.DAMAGED, "no sound track")
    return tracks


def _entry(file: BinaryIO, atom: Atom) -> _Entry:
    if atom.name != b"----":
        return _Entry(atom=atom, field=_FIELDS.get(atom.name))
    parts = {part.name: _raw(file, part)[12:] for part in atoms(file, atom.body, atom.end) if part.name != b"data"}
    name = parts.get(b"name", b"").decode("utf-8", "replace").upper()
    if parts.get(b"mean", b"").lower() != _MEAN.lower():
        return _Entry(atom=atom, field=None)
    return _Entry(atom=atom, field=name if name.startswith(PREFIX) else _NAMED.get(name))


def _list_content(layout: _Layout, changes: Mapping[str, Sequence[str]]) -> Plan:
    """The entries of the new list: foreign ones copied, ours in their places, new ones behind."""
    waiting = {name: values for name, values in changes.items() if values}
    segments: list[Segment] = []
    for entry in layout.entries:
        if entry.field not in changes:
            segments.append(Copy(entry.atom.offset, entry.atom.length))
        elif entry.field in waiting:
            segments.append(Literal(_render(entry.field, waiting.pop(entry.field))))
    segments += [Literal(_render(name, values)) for name, values in waiting.items()]
    return tidy(segments)


def _render(name: str, values: Sequence[str]) -> bytes:
    texts = b"".join(_atom(b"data", b"\0\0\0\x01\0\0\0\0" + value.encode()) for value in values)
    if name in _NAMES:
        return _atom(_NAMES[name], texts)
    label = b"MOOD" if name == "mood" else name.encode()
    return _atom(b"----", _atom(b"mean", bytes(4) + _MEAN) + _atom(b"name", bytes(4) + label) + texts)


def _replaced(file: BinaryIO, layout: _Layout, content: Plan) -> Plan:
    """The list in its place; free space behind it, or behind moov, gives way, so that the audio need not move."""
    ilst, meta, udta, moov = layout.ilst, layout.meta, layout.udta, layout.moov
    assert ilst is not None
    assert meta is not None
    assert udta is not None
    growth = 8 + size(content) - ilst.length
    patches: list[Patch] = [(ilst.offset, ilst.length, _atom_plan(b"ilst", content))]
    inner = _free_behind(file, list(atoms(file, meta.body + META_SKIP, meta.end)), ilst)
    outer = _free_behind(file, list(layout.top), moov)
    if inner and _fits(inner, growth):
        patches.append((inner.offset, inner.length, _free(inner.length - growth)))
        return _patched(file, patches)
    grown: tuple[Atom, ...] = (meta, udta, moov)
    if outer and _fits(outer, growth):
        patches += [_resized(atom, growth) for atom in grown]
        patches.append((outer.offset, outer.length, _free(outer.length - growth)))
        return _patched(file, patches)
    reserve = PADDING_BYTES if growth and _audio_follows(layout) else 0
    if reserve:
        patches.append((ilst.end, 0, _free(reserve)))
    patches += [_resized(atom, growth + reserve) for atom in grown]
    return _patched(file, patches + _moved(file, layout, moov.end, growth + reserve))


def _inserted(file: BinaryIO, layout: _Layout, content: Plan) -> Plan:
    """A list where there was none, at the end of what there is of moov, udta and meta, the innermost of them."""
    reserve = _free(PADDING_BYTES) if _audio_follows(layout) else ()
    new: Plan = (*_atom_plan(b"ilst", content), *reserve)
    if layout.meta is None:
        new = _atom_plan(b"meta", (Literal(bytes(META_SKIP) + _atom(b"hdlr", _HANDLER)), *new))
    if layout.udta is None:
        new = _atom_plan(b"udta", new)
    grown = [atom for atom in (layout.meta, layout.udta, layout.moov) if atom]
    growth = size(new)
    patches: list[Patch] = [(grown[0].end, 0, new), *(_resized(atom, growth) for atom in grown)]
    return _patched(file, patches + _moved(file, layout, layout.moov.end, growth))


def _audio_follows(layout: _Layout) -> bool:
    return any(atom.name == b"mdat" and atom.offset > layout.moov.offset for atom in layout.top)


def _moved(file: BinaryIO, layout: _Layout, behind: int, growth: int) -> list[Patch]:
    """The offset tables, where what lies behind an offset of the file moves."""
    patches: list[Patch] = []
    if growth:
        for table in mp4_atoms.offset_tables(file, layout.moov):
            patches.append(_shifted(table, behind, growth))
    return patches


def _shifted(table: OffsetTable, behind: int, growth: int) -> Patch:
    limit = 1 << 8 * table.width
    moved = [offset + growth if offset >= behind else offset for offset in table.offsets]
    if any(not 0 <= offset < limit for offset in moved):
        raise FormatError(Reason.MP4_OFFSETS, "an offset would not fit into its table")
    data = b"".join(offset.to_bytes(table.width, "big") for offset in moved)
    return table.entries_at, len(data), (Literal(data),)


def _resized(atom: Atom, growth: int) -> Patch:
    return atom.offset, 4, (Literal((atom.length + growth).to_bytes(4, "big")),)


def _free_behind(file: BinaryIO, siblings: Sequence[Atom], atom: Atom) -> Atom | None:
    """The free atom right behind another one; one that holds more than zeros is somebody's."""
    found = next((one for one in siblings if one.name == b"free" and one.offset == atom.end and one.is_small), None)
    if found is None or found.length > _MOST_FREE_BYTES or any(_raw(file, found)[8:]):
        return None
    return found


def _fits(free: Atom, growth: int) -> bool:
    return free.length - growth >= 8 or free.length == growth


def _free(length: int) -> Plan:
    return (Literal(length.to_bytes(4, "big") + b"free" + bytes(length - 8)),) if length else ()


def _patched(file: BinaryIO, patches: Sequence[Patch]) -> Plan:
    """The file with its patches, in the order of their offsets."""
    segments: list[Segment] = []
    position = 0
    for offset, length, new in sorted(patches, key=lambda patch: (patch[0], patch[1])):
        segments += [Copy(position, offset - position), *new]
        position = offset + length
    segments.append(Copy(position, file.seek(0, os.SEEK_END) - position))
    return tidy(segments)


def _atom(name: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + name + body


def _atom_plan(name: bytes, body: Plan) -> Plan:
    return (Literal((8 + size(body)).to_bytes(4, "big") + name), *body)


def _raw(file: BinaryIO, atom: Atom) -> bytes:
    file.seek(atom.offset)
    return file.read(atom.length)
