"""Numbers in files that nobody could mean: refused or passed over, never an error of ours, never memory without end."""

import io
import struct
import tracemalloc
from pathlib import Path

import mutagen
import pytest

from tagger.records import Inspection
from tagger.tags import opinion
from tagger.tags.formats import id3_values, mp4_values
from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.formats.ogg_pages import crc, pages
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tests.audio import write_audio
from tests.tags.formats import id3_bytes


def refusal(content: bytes, suffix: bytes) -> str | None:
    """Why it is refused, the same by `read` and by `splice`; None where it is not."""
    file = io.BytesIO(content)
    container = detect(file, suffix)
    read, spliced = container.read(file).refusal, None
    container.identity(file)
    try:
        container.splice(file, {"genre": ("Jazz",)}, Style())
    except FormatError as error:
        spliced = error.reason
    assert (read and read.reason) == spliced
    return spliced


def test_a_sample_rate_beyond_all_numbers(tmp_path: Path) -> None:
    content = bytearray(write_audio(tmp_path, "aiff", 0.2).read_bytes())
    at = content.index(b"COMM") + 16
    content[at : at + 2] = b"\x7f\xff"
    assert refusal(bytes(content), b".aiff") is None
    assert detect(io.BytesIO(content), b".aiff").read(io.BytesIO(content)).length_seconds is None


@pytest.mark.parametrize("length", range(4, 7))
def test_an_id3_tag_that_ends_within_its_extended_header(tmp_path: Path, length: int) -> None:
    tag = id3_bytes.tag(4, 0x40, b"\0\0\0\6\1\x20"[:length])
    content = tag + write_audio(tmp_path, "mp3", 0.5).read_bytes()
    assert refusal(content, b".mp3") == Reason.ID3_FLAGS


@pytest.mark.parametrize(("kind", "mark"), [("ogg-opus", b"OpusHead"), ("ogg-vorbis", b"\x01vorbis")])
def test_an_ogg_identification_that_ends_behind_its_mark(tmp_path: Path, kind: str, mark: bytes) -> None:
    path = write_audio(tmp_path, kind, 0.2)
    content = path.read_bytes()
    first = next(pages(io.BytesIO(content)))
    page = first.header[:22] + bytes(4) + b"\1" + bytes((len(mark),)) + mark
    page = page[:22] + crc(page).to_bytes(4, "little") + page[26:]
    assert refusal(page + content[first.end :], path.suffix.encode()) == Reason.DAMAGED


def _with_sample_sizes(path: Path, body: bytes) -> bytes:
    """An M4A that is wrong in its table of sizes alone."""
    content = bytearray(path.read_bytes())
    at = content.index(b"stsz") + 8
    content[at : at + len(body)] = body
    return bytes(content)


def test_an_mp4_that_claims_a_quarter_of_a_billion_samples(tmp_path: Path) -> None:
    content = _with_sample_sizes(write_audio(tmp_path, "m4a", 0.5), struct.pack(">II", 1, (1 << 28) - 1))
    tracemalloc.start()
    refusal(content, b".m4a")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 32 << 20


def test_memory_that_runs_out_is_not_taken_for_a_tag_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def worn_out(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(id3_values, "ID3", worn_out)
    monkeypatch.setattr(id3_values, "APEv2", worn_out)
    monkeypatch.setattr(mp4_values.mutagen.mp4, "MP4", worn_out)
    with pytest.raises(MemoryError):
        id3_values.read_tag(b"ID3")
    for read in (id3_values.read_ape, lambda file: mp4_values.values(file, {})):
        with pytest.raises(MemoryError):
            read(io.BytesIO(b"any"))


class _Watched(io.BytesIO):
    """Notes the longest read that is asked of it, which a file on disk would reserve room for."""

    longest_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        self.longest_bytes = max(self.longest_bytes, size or 0)
        return super().read(size)


def test_the_second_opinion_reads_no_more_than_there_is(tmp_path: Path) -> None:
    """mutagen asks for as many bytes as the length of a picture's type says."""
    path = write_audio(tmp_path, "flac", 0.2)
    content = path.read_bytes()
    picture = struct.pack(">II", 3, 0x7FFFFFFF) + bytes(40)
    block = b"\6" + len(picture).to_bytes(3, "big") + picture
    file = _Watched(content[:42] + block + content[42:])
    with pytest.raises(mutagen.MutagenError):
        opinion.values(file, "flac")
    assert file.longest_bytes <= len(file.getvalue())


@pytest.mark.parametrize("kind", ["mp3", "flac", "tta", "wavpack"])
def test_more_tags_at_the_end_than_anybody_could_mean(tmp_path: Path, kind: str) -> None:
    path = write_audio(tmp_path, kind, 0.5)
    footer = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    path.write_bytes(path.read_bytes() + footer * 1_001)
    found = inspect(bytes(path))
    assert isinstance(found, Inspection)
    assert found.refusal
    assert found.refusal.reason == Reason.DAMAGED


def test_more_atoms_than_anybody_could_mean(tmp_path: Path) -> None:
    content = write_audio(tmp_path, "m4a", 0.5).read_bytes()
    assert refusal(content + b"\0\0\0\x08free" * 10_001, b".m4a") == Reason.MP4_LAYOUT


def test_chunks_of_an_mp4_that_lie_over_each_other(tmp_path: Path) -> None:
    content = bytearray(write_audio(tmp_path, "m4a", 0.5).read_bytes())
    at = content.index(b"stsc") + 8
    content[at : at + 16] = struct.pack(">IIII", 1, 1, 1, 1)
    (size,) = struct.unpack_from(">I", content, content.index(b"mdat") - 4)
    at = content.index(b"stsz") + 8
    content[at : at + 8] = struct.pack(">II", size - 8, 1000)
    table = content.index(b"stco")
    (first,) = struct.unpack_from(">I", content, table + 12)
    start = content.index(b"mdat") + 4
    entries = struct.pack(">I", 1000) + struct.pack(">I", start) * 1000
    assert first >= start
    old = int.from_bytes(content[table - 4 : table], "big")
    grown = 12 + len(entries) - old
    assert content.index(b"moov") > start  # so that nothing moves
    content[table - 4 : table - 4 + old] = (old + grown).to_bytes(4, "big") + b"stco" + bytes(4) + entries
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        holder = content.index(name) - 4
        content[holder : holder + 4] = (int.from_bytes(content[holder : holder + 4], "big") + grown).to_bytes(4, "big")
    assert refusal(bytes(content), b".m4a") == Reason.MP4_OFFSETS
