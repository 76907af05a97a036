"""The chunks of a WAV or AIFF file, and those that broken programs have left behind its declared end."""

import os
from dataclasses import dataclass
from typing import BinaryIO, Literal

from tagger.tags.formats.base import FormatError
from tagger.tags.refusals import Reason

MAX_BYTES = (1 << 32) - 1
TAG_ID = b"ID3 "
"""In capitals: WAV has it in small letters as well."""
_UNKNOWN_SIZES = (0, MAX_BYTES)
_MOST_CHUNKS = 10_000
_FIRST = 12  # behind the form, its size and its kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    id: bytes
    offset: int  # of its header
    length: int  # of its body
    end: int  # where the next one begins, or the file ends: there a pad byte may be missing

    @property
    def body(self) -> int:
        return self.offset + 8


def chunks_of(file: BinaryIO, order: Literal["little", "big"], audio: tuple[bytes, bytes]) -> list[Chunk]:
    """All chunks of a file; `audio` are the two that it must have.

    FFmpeg and TagLib read a tag behind the declared end, too: where one stands there, the chunks up to the end of the
    file count as well. Raises FormatError where chunks do not end where they must.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(4)
    declared = int.from_bytes(file.read(4), order)
    if declared in _UNKNOWN_SIZES:
        raise FormatError(Reason.RIFF_STREAMED)
    end = min(8 + declared, size_bytes)
    if 8 + declared > size_bytes + 1:  # one byte: the last chunk's pad byte, which was counted and not written
        raise FormatError(Reason.DAMAGED, f"{8 + declared} bytes declared, {size_bytes} found")
    chunks: list[Chunk] = []
    position = _FIRST
    while position + 8 <= end:
        chunk = _chunk_at(file, position, order, size_bytes)
        if chunk.length in _UNKNOWN_SIZES and chunk.id in audio:
            raise FormatError(Reason.RIFF_STREAMED)
        if chunk.body + chunk.length > end:
            raise FormatError(Reason.DAMAGED, f"chunk {chunk.id!r} runs past the end")
        if chunk.end > end and file.seek(end) and file.read(1) != b"\0":  # a zero is a pad byte that was not counted
            raise FormatError(Reason.RIFF_PADDING, f"chunk {chunk.id!r}")
        if len(chunks) == _MOST_CHUNKS:
            raise FormatError(Reason.DAMAGED, f"more than {_MOST_CHUNKS} chunks")
        chunks.append(chunk)
        position = chunk.end
    if not {chunk.id for chunk in chunks}.issuperset(audio):
        raise FormatError(Reason.DAMAGED, "no audio in it")
    return chunks + _behind(file, position, order, size_bytes, audio)


def read_body(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.body)
    return file.read(chunk.length)


def _behind(
    file: BinaryIO, position: int, order: Literal["little", "big"], size_bytes: int, audio: tuple[bytes, bytes]
) -> list[Chunk]:
    """The chunks behind the declared end, if a tag is one of them. Raises FormatError where they are not whole."""
    found: list[Chunk] = []
    tagged = False
    while position + 8 <= size_bytes and len(found) < _MOST_CHUNKS:
        chunk = _chunk_at(file, position, order, size_bytes)
        tagged = tagged or chunk.id.upper() == TAG_ID or chunk.id == b"LIST"
        if chunk.body + chunk.length > size_bytes or not all(0x20 <= byte < 0x7F for byte in chunk.id):
            break
        found.append(chunk)
        position = chunk.end
    if not tagged:
        return []
    if position < size_bytes or any(chunk.id in audio for chunk in found):
        raise FormatError(Reason.RIFF_BEHIND)
    return found


def _chunk_at(file: BinaryIO, position: int, order: Literal["little", "big"], size_bytes: int) -> Chunk:
    file.seek(position)
    header = file.read(8)
    length = int.from_bytes(header[4:], order)
    behind = position + 8 + length
    return Chunk(id=header[:4], offset=position, length=length, end=min(behind + length % 2, max(behind, size_bytes)))
