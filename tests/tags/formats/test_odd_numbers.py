"""Numbers at the edge of their fields, and tags in odd places: refused with the reason, or kept as they are."""

import io
import struct
from pathlib import Path

import pytest

from tagger.tags.formats.base import Content, FormatError, Literal, Plan, Style
from tagger.tags.formats.detect import detect
from tagger.tags.formats.ogg_pages import pages, renumbered
from tagger.tags.refusals import Reason
from tests.audio import write_audio
from tests.tags.formats import id3_bytes, mp4_bytes


def carried_out(content: bytes, plan: Plan) -> bytes:
    return b"".join(
        part.data if isinstance(part, Literal) else content[part.offset : part.offset + part.length] for part in plan
    )


def read(content: bytes, suffix: bytes) -> Content:
    return detect(io.BytesIO(content), suffix).read(io.BytesIO(content))


def test_a_tag_keeps_its_revision(tmp_path: Path) -> None:
    tag = bytearray(id3_bytes.tag(3, 0, id3_bytes.V23 + bytes(300)))
    tag[4] = 1
    content = bytes(tag) + write_audio(tmp_path, "mp3", 0.3).read_bytes()
    file = io.BytesIO(content)
    new = carried_out(content, detect(file, b".mp3").splice(file, {"genre": ("Jazz",)}, Style()))
    assert new[:10] == content[:10]


def test_an_older_text_that_no_frame_of_the_new_tag_could_hold(tmp_path: Path) -> None:
    """An APE tag's title of more than 24 bits, which an empty tag of version 2.2 would take over."""
    text = b"x" * (1 << 24)
    item = struct.pack("<II", len(text), 0) + b"Title\0" + text
    footer = b"APETAGEX" + struct.pack("<IIII8x", 2000, len(item) + 32, 1, 0)
    content = id3_bytes.tag(2, 0, bytes(50)) + write_audio(tmp_path, "mp3", 0.3).read_bytes() + item + footer
    refusal = read(content, b".mp3").refusal
    assert refusal is not None
    assert refusal.reason == Reason.ID3_TOO_LARGE


def test_an_ogg_whose_page_numbers_leave_none_for_another_page(tmp_path: Path) -> None:
    content = write_audio(tmp_path, "ogg-vorbis", 0.3).read_bytes()
    found = list(pages(io.BytesIO(content)))
    first = (1 << 32) - len(found)
    last = b"".join(carried_out(content, tuple(renumbered(page, first + at))) for at, page in enumerate(found))
    file = io.BytesIO(last)
    with pytest.raises(FormatError) as caught:
        detect(file, b".ogg").splice(file, {"genre": ("Jazz" * 40_000,)}, Style())
    assert caught.value.reason == Reason.OGG_GAP
    assert detect(file, b".ogg").splice(file, {"genre": ("Jazz",)}, Style())


@pytest.mark.parametrize("kind", ["wav", "aiff"])
def test_a_tag_in_front_of_chunks_is_not_said_to_be_64_bits(tmp_path: Path, kind: str) -> None:
    path = write_audio(tmp_path, kind, 0.2)
    refusal = read(id3_bytes.tag(3, 0, id3_bytes.V23) + path.read_bytes(), path.suffix.encode()).refusal
    assert refusal is not None
    assert refusal.reason == Reason.DAMAGED


def test_an_m4a_without_room_is_not_moved_for_a_value_of_the_same_size(tmp_path: Path) -> None:
    """Its moov in front of the audio, its list at the end of that, and no free atom behind either."""
    genre = mp4_bytes.text(b"\xa9gen", b"Jazz")
    last = mp4_bytes.with_moov(
        write_audio(tmp_path, "m4a", 0.3).read_bytes(), mp4_bytes.atom(b"udta", mp4_bytes.listed(genre))
    )
    places = {name: (start, stop) for name, start, stop in mp4_bytes.atoms(last, 0, len(last))}
    moov, at = bytearray(last[slice(*places[b"moov"])]), places[b"mdat"][0]
    table = moov.index(b"stco") + 8
    for entry in range(table + 4, table + 4 + 4 * int.from_bytes(moov[table : table + 4], "big"), 4):
        moov[entry : entry + 4] = (int.from_bytes(moov[entry : entry + 4], "big") + len(moov)).to_bytes(4, "big")
    content = last[:at] + moov + last[at : places[b"moov"][0]]
    file = io.BytesIO(content)
    new = carried_out(content, detect(file, b".m4a").splice(file, {"genre": ("Rock",)}, Style()))
    assert new == content.replace(b"Jazz", b"Rock")


def test_tags_without_end_are_not_all_looked_at() -> None:
    with pytest.raises(FormatError) as caught:
        detect(io.BytesIO(id3_bytes.tag(4, 0, b"") * 1_001), b".mp3")
    assert caught.value.reason == Reason.ID3_TWICE
