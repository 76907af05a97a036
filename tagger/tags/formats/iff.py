"""WAV and AIFF: chunks, one of which holds an ID3 tag. A new one goes behind the last chunk, so the audio stays put.

Where a program has put a tag in front of the audio, and has left no room there, the audio moves once.

A genre that stands in a WAV's LIST INFO is kept in step with ours, because FFmpeg and MPD show it first; none is added.

Formats: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html and .../AIFF/AIFF.html
"""

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO
from typing import Literal as OneOf

from tagger.records import TagValues
from tagger.tags.formats import id3, id3_values, older
from tagger.tags.formats.base import PADDING_BYTES, Carried, Content, Copy, FormatError, Literal, Plan, Segment, Style
from tagger.tags.formats.iff_chunks import MAX_BYTES, TAG_ID, Chunk, chunks_of, read_body
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason
from tagger.tags.splice import size, tidy

_ROOM_ID = b"JUNK"
_FORMS_64 = (b"RF64", b"BW64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Iff:
    """One of the two; `order` is the byte order of its numbers."""

    name: str
    suffixes: tuple[bytes, ...]
    order: OneOf["little", "big"]
    form: bytes
    kinds: tuple[bytes, ...]
    tag_id: bytes  # of a new chunk
    audio: tuple[bytes, bytes]  # format and samples

    def matches(self, head: bytes) -> bool:
        return head[:4] in (self.form, *_FORMS_64) and head[8:12] in self.kinds

    def read(self, file: BinaryIO) -> Content:
        tags, refusal = TagValues(), None
        foreign: tuple[bytes, ...] = ()
        codec, length_seconds, channels = "pcm", None, None
        carried = Carried()
        try:
            chunks = self._chunks(file)
            length_seconds, channels = self._length(file, chunks)
            tags = self._values(file, chunks)
            foreign = self._foreign(file, chunks)
            carried = self._carried(file, chunks)
        except FormatError as error:
            refusal = error.refused()
        return Content(
            tags=tags,
            foreign=foreign,
            codec=codec,
            length_seconds=length_seconds,
            channels=channels,
            refusal=refusal,
            carried=carried,
        )

    def splice(self, file: BinaryIO, changes: Mapping[str, tuple[str, ...]], style: Style) -> Plan:
        chunks = self._chunks(file)
        holder = self._tag_chunk(chunks)
        tag = self._tag(file, holder)
        audio = next(chunk for chunk in chunks if chunk.id == self.audio[1])
        reserve = PADDING_BYTES if holder and holder.offset < audio.offset else 0
        new_tag = tidy((*id3.splice(tag, changes, style, reserve=reserve), *_behind_tag(holder, tag)))
        segments: list[Segment] = []
        rest = list(chunks)
        while rest:
            chunk = rest.pop(0)
            if chunk is holder:
                segments += self._chunk(chunk.id, new_tag)
            elif "genre" in changes and (body := self._info(file, chunk, changes["genre"])) is not None:
                room = rest.pop(0) if rest and _is_room(file, rest[0]) else None
                segments += self._with_room(chunk, body, room, moves=chunk.offset < audio.offset)
            else:
                segments.append(Copy(chunk.offset, chunk.end - chunk.offset))
        if holder is None and new_tag:
            segments += (Literal(bytes(chunks[-1].end % 2)), *self._chunk(self.tag_id, new_tag))
        end = chunks[-1].end
        length = 4 + sum(segment.length for segment in segments)
        if length > MAX_BYTES:
            raise FormatError(Reason.RIFF_TOO_LARGE)
        behind = Copy(end, file.seek(0, os.SEEK_END) - end)
        head = (Copy(0, 4), Literal(length.to_bytes(4, self.order)), Copy(8, 4))
        return tidy((*head, *segments, behind))

    def identity(self, file: BinaryIO) -> str:
        """Over the bodies of the format and sample chunks; over the whole file where its chunks are damaged."""
        try:
            chunks = self._chunks(file)
        except FormatError:
            return identity_of_ranges(file, [(0, MAX_BYTES)])
        return identity_of_ranges(
            file,
            [(chunk.body, chunk.body + chunk.length) for name in self.audio for chunk in chunks if chunk.id == name],
        )

    def _chunks(self, file: BinaryIO) -> list[Chunk]:
        """Raises FormatError where the file cannot be read as chunks."""
        file.seek(0)
        mark = file.read(4)
        if mark in _FORMS_64:
            raise FormatError(Reason.RIFF_64)
        if mark != self.form:  # an ID3v2 tag in front of it, which is passed over to tell what a file is
            raise FormatError(Reason.DAMAGED, f"other bytes in front of its {self.form.decode()}")
        return chunks_of(file, self.order, self.audio)

    def _tag_chunk(self, chunks: list[Chunk]) -> Chunk | None:
        found = [chunk for chunk in chunks if chunk.id.upper() == TAG_ID]
        if len(found) > 1:
            raise FormatError(Reason.RIFF_TWO_TAGS)
        return found[0] if found else None

    def _tag(self, file: BinaryIO, holder: Chunk | None) -> id3.Tag | None:
        """The tag, none in an empty chunk; zeros behind it are its room, other bytes that a program left there not."""
        if holder is None or not holder.length:
            return None
        raw = read_body(file, holder)
        alone = id3.without_stray_footer(raw)
        rest = raw[len(alone) :]
        if rest.startswith(b"ID3"):
            raise FormatError(Reason.ID3_TWICE)
        return id3.parse(alone if any(rest) else raw, holder.body)

    def _values(self, file: BinaryIO, chunks: list[Chunk]) -> TagValues:
        """What the ID3 tag says; where it has no genre, what LIST INFO does."""
        holder = self._tag_chunk(chunks)
        values = id3_values.read_tag(read_body(file, holder)) if holder else TagValues()
        genre = next((found for chunk in chunks for found in self._info_genres(file, chunk) if found), None)
        return id3_values.filled(values, TagValues(genre=(genre,))) if genre else values

    def _foreign(self, file: BinaryIO, chunks: list[Chunk]) -> tuple[bytes, ...]:
        """Every chunk but the samples and what is ours, raw."""
        holder = self._tag_chunk(chunks)
        tag = self._tag(file, holder)
        found: list[bytes] = []
        for chunk in chunks:
            if self._is_info(file, chunk):
                found += [part for part in _info_parts(read_body(file, chunk)) if not part.startswith(b"IGNR")]
            elif chunk is not holder and chunk.id != self.audio[1] and not _is_room(file, chunk):
                found.append(chunk.id + read_body(file, chunk))
        for part in _behind_tag(holder, tag):
            file.seek(part.offset)
            found.append(file.read(part.length))
        return (*found, *(tag.foreign if tag else ()))

    def _carried(self, file: BinaryIO, chunks: list[Chunk]) -> Carried:
        """TagLib goes by LIST INFO only where there is no ID3 tag."""
        infos = [read_body(file, chunk) for chunk in chunks if self._is_info(file, chunk)]
        found = older.merged(older.from_info(_info_parts(info)) for info in infos)
        return id3.carried(self._tag(file, self._tag_chunk(chunks)), found)

    def _is_info(self, file: BinaryIO, chunk: Chunk) -> bool:
        if self.form != b"RIFF" or chunk.id != b"LIST":
            return False
        file.seek(chunk.body)
        return file.read(4) == b"INFO"

    def _info_genres(self, file: BinaryIO, chunk: Chunk) -> list[str]:
        if not self._is_info(file, chunk):
            return []
        return [older.info_text(part) for part in _info_parts(read_body(file, chunk)) if part.startswith(b"IGNR")]

    def _info(self, file: BinaryIO, chunk: Chunk, genre: tuple[str, ...]) -> bytes | None:
        """The body of a LIST INFO with all its genres replaced, empty ones too; None where it has none, or this one."""
        if set(self._info_genres(file, chunk)) <= set(genre[:1] or ("",)):
            return None
        parts = _info_parts(read_body(file, chunk))
        text = genre[0].encode() + b"\0" if genre else b""
        new = b"IGNR" + struct.pack("<I", len(text)) + text + bytes(len(text) % 2)
        kept = [new if part.startswith(b"IGNR") else part for part in parts]
        return b"INFO" + b"".join(part for part in kept if genre or not part.startswith(b"IGNR"))

    def _chunk(self, name: bytes, body: Plan) -> list[Segment]:
        length = size(body)
        return [Literal(name + length.to_bytes(4, self.order)), *body, Literal(bytes(length % 2))]

    def _with_room(self, chunk: Chunk, body: bytes, room: Chunk | None, *, moves: bool) -> list[Segment]:
        """A chunk with another body, and with room behind it where the audio would move otherwise, or has to."""
        made = self._chunk(chunk.id, (Literal(body),))
        spare = (room or chunk).end - chunk.offset - sum(segment.length for segment in made)
        if spare == 0 or not (moves or room):
            return made
        return made + self._chunk(_ROOM_ID, (Literal(bytes(spare - 8 if spare >= 8 else PADDING_BYTES)),))

    def _length(self, file: BinaryIO, chunks: list[Chunk]) -> tuple[float | None, int | None]:
        """Declared length in seconds, and channels."""
        form, samples = (next(chunk for chunk in chunks if chunk.id == name) for name in self.audio)
        head = read_body(file, form)
        if self.form == b"RIFF":
            if len(head) < 16:
                return None, None
            channels, bytes_per_second = struct.unpack("<2xH4xI", head[:12])
            return (samples.length / bytes_per_second if bytes_per_second else None), channels
        if len(head) < 18:
            return None, None
        channels, frames, _, exponent, mantissa = struct.unpack(">HIHHQ", head[:18])
        try:
            rate_hz = math.ldexp(mantissa, (exponent & 0x7FFF) - 16_383 - 63)
        except OverflowError:
            return None, channels
        return (frames / rate_hz if rate_hz else None), channels


WAV = Iff(
    name="wav",
    suffixes=(b".wav", b".wave"),
    order="little",
    form=b"RIFF",
    kinds=(b"WAVE",),
    tag_id=b"id3 ",
    audio=(b"fmt ", b"data"),
)
AIFF = Iff(
    name="aiff",
    suffixes=(b".aif", b".aiff", b".aifc"),
    order="big",
    form=b"FORM",
    kinds=(b"AIFF", b"AIFC"),
    tag_id=b"ID3 ",
    audio=(b"COMM", b"SSND"),
)


def _behind_tag(holder: Chunk | None, tag: id3.Tag | None) -> list[Copy]:
    """What stands behind the tag in its chunk, and is no room."""
    if holder is None or tag is None or tag.length == holder.length:
        return []
    return [Copy(holder.body + tag.length, holder.length - tag.length)]


def _is_room(file: BinaryIO, chunk: Chunk) -> bool:
    """Whether a chunk is there to be overwritten: one of zeros alone."""
    return chunk.id == _ROOM_ID and chunk.length <= 2 * PADDING_BYTES and not any(read_body(file, chunk))


def _info_parts(body: bytes) -> list[bytes]:
    """The entries of a LIST INFO, each with its header and pad byte. Raises FormatError where one runs past the end."""
    parts, position = [], 4
    while position + 8 <= len(body):
        length = int.from_bytes(body[position + 4 : position + 8], "little")
        end = position + 8 + length + length % 2
        if position + 8 + length > len(body):
            raise FormatError(Reason.DAMAGED, "LIST INFO runs past its end")
        parts.append(body[position:end])
        position = end
    if position < len(body):
        parts.append(body[position:])
    return parts
