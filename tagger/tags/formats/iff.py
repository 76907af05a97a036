"""WAV and AIFF: chunks, one of which holds an ID3 tag. A new one goes behind the last chunk, so the audio stays put.

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
from tagger.tags.formats.base import Carried, Content, Copy, FormatError, Literal, Plan, Segment, Style
from tagger.tags.formats.payload import identity_of_ranges
from tagger.tags.refusals import Reason
from tagger.tags.splice import size, tidy

_MAX_BYTES = (1 << 32) - 1
_UNKNOWN_SIZES = (0, _MAX_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    id: bytes
    offset: int  # of its header
    length: int  # of its body

    @property
    def body(self) -> int:
        return self.offset + 8

    @property
    def padded(self) -> int:
        """Bytes from header to the next chunk."""
        return 8 + self.length + self.length % 2


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
        return head[:4] in (self.form, b"RF64") and head[8:12] in self.kinds

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
        new_tag = tidy(id3.splice(tag, changes, style, reserve=0))
        segments: list[Segment] = []
        for chunk in chunks:
            if chunk is holder:
                segments += self._chunk(chunk.id, new_tag)
            elif "genre" in changes and (body := self._info(file, chunk, changes["genre"])) is not None:
                segments += self._chunk(chunk.id, (Literal(body),))
            else:
                segments.append(Copy(chunk.offset, chunk.padded))
        if holder is None and new_tag:
            segments += self._chunk(self.tag_id, new_tag)
        end = chunks[-1].offset + chunks[-1].padded
        length = 4 + sum(segment.length for segment in segments)
        if length > _MAX_BYTES:
            raise FormatError(Reason.RIFF_TOO_LARGE)
        behind = Copy(end, file.seek(0, os.SEEK_END) - end)
        head = (Copy(0, 4), Literal(length.to_bytes(4, self.order)), Copy(8, 4))
        return tidy((*head, *segments, behind))

    def identity(self, file: BinaryIO) -> str:
        """Over the bodies of the format and sample chunks; over the whole file where its chunks are damaged."""
        try:
            chunks = self._chunks(file)
        except FormatError:
            return identity_of_ranges(file, [(0, _MAX_BYTES)])
        return identity_of_ranges(
            file,
            [(chunk.body, chunk.body + chunk.length) for name in self.audio for chunk in chunks if chunk.id == name],
        )

    def _chunks(self, file: BinaryIO) -> list[_Chunk]:
        """Raises FormatError where the chunks do not end where the form says."""
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        if head[:4] != self.form:
            raise FormatError(Reason.RIFF_64)
        declared = int.from_bytes(head[4:8], self.order)
        if declared in _UNKNOWN_SIZES:
            raise FormatError(Reason.RIFF_STREAMED)
        end = 8 + declared
        if end > size_bytes:
            raise FormatError(Reason.DAMAGED, f"{end} bytes declared, {size_bytes} found")
        chunks: list[_Chunk] = []
        position = 12
        while position + 8 <= end:
            file.seek(position)
            header = file.read(8)
            chunk = _Chunk(id=header[:4], offset=position, length=int.from_bytes(header[4:], self.order))
            if chunk.length in _UNKNOWN_SIZES and chunk.id in self.audio:
                raise FormatError(Reason.RIFF_STREAMED)
            if chunk.body + chunk.length > end:
                raise FormatError(Reason.DAMAGED, f"chunk {chunk.id!r} runs past the end")
            if position + chunk.padded > end:
                raise FormatError(Reason.RIFF_PADDING, f"chunk {chunk.id!r}")
            chunks.append(chunk)
            position += chunk.padded
        if not {chunk.id for chunk in chunks}.issuperset(self.audio):
            raise FormatError(Reason.DAMAGED, "no audio in it")
        return chunks

    def _tag_chunk(self, chunks: list[_Chunk]) -> _Chunk | None:
        found = [chunk for chunk in chunks if chunk.id.upper() == b"ID3 "]
        if len(found) > 1:
            raise FormatError(Reason.RIFF_TWO_TAGS)
        return found[0] if found else None

    def _tag(self, file: BinaryIO, holder: _Chunk | None) -> id3.Tag | None:
        if holder is None:
            return None
        return id3.parse(_read(file, holder), holder.body)

    def _values(self, file: BinaryIO, chunks: list[_Chunk]) -> TagValues:
        """What the ID3 tag says; where it has no genre, what LIST INFO does."""
        holder = self._tag_chunk(chunks)
        values = id3_values.read_tag(_read(file, holder)) if holder else TagValues()
        genre = next((found for chunk in chunks if (found := self._info_genre(file, chunk))), None)
        return id3_values.filled(values, TagValues(genre=(genre,))) if genre else values

    def _foreign(self, file: BinaryIO, chunks: list[_Chunk]) -> tuple[bytes, ...]:
        """Every chunk but the samples and what is ours, raw."""
        holder = self._tag_chunk(chunks)
        tag = self._tag(file, holder)
        found: list[bytes] = []
        for chunk in chunks:
            if self._is_info(file, chunk):
                found += [part for part in _info_parts(_read(file, chunk)) if not part.startswith(b"IGNR")]
            elif chunk is not holder and chunk.id != self.audio[1]:
                found.append(chunk.id + _read(file, chunk))
        return (*found, *(tag.foreign if tag else ()))

    def _carried(self, file: BinaryIO, chunks: list[_Chunk]) -> Carried:
        """TagLib goes by LIST INFO only where there is no ID3 tag."""
        infos = [_read(file, chunk) for chunk in chunks if self._is_info(file, chunk)]
        found = older.merged(older.from_info(_info_parts(info)) for info in infos)
        return id3.carried(self._tag(file, self._tag_chunk(chunks)), found)

    def _is_info(self, file: BinaryIO, chunk: _Chunk) -> bool:
        if self.form != b"RIFF" or chunk.id != b"LIST":
            return False
        file.seek(chunk.body)
        return file.read(4) == b"INFO"

    def _info_genre(self, file: BinaryIO, chunk: _Chunk) -> str | None:
        if not self._is_info(file, chunk):
            return None
        for part in _info_parts(_read(file, chunk)):
            if part.startswith(b"IGNR"):
                return older.info_text(part) or None
        return None

    def _info(self, file: BinaryIO, chunk: _Chunk, genre: tuple[str, ...]) -> bytes | None:
        """The body of a LIST INFO with its genre replaced; None where it has none, or this one."""
        if self._info_genre(file, chunk) in (None, *genre[:1]):
            return None
        parts = _info_parts(_read(file, chunk))
        text = genre[0].encode() + b"\0" if genre else b""
        new = b"IGNR" + struct.pack("<I", len(text)) + text + bytes(len(text) % 2)
        kept = [new if part.startswith(b"IGNR") else part for part in parts]
        return b"INFO" + b"".join(part for part in kept if genre or not part.startswith(b"IGNR"))

    def _chunk(self, name: bytes, body: Plan) -> list[Segment]:
        length = size(body)
        return [Literal(name + length.to_bytes(4, self.order)), *body, Literal(bytes(length % 2))]

    def _length(self, file: BinaryIO, chunks: list[_Chunk]) -> tuple[float | None, int | None]:
        """Declared length in seconds, and channels."""
        form, samples = (next(chunk for chunk in chunks if chunk.id == name) for name in self.audio)
        head = _read(file, form)
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


def _read(file: BinaryIO, chunk: _Chunk) -> bytes:
    file.seek(chunk.body)
    return file.read(chunk.length)
