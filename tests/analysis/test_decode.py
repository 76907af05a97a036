"""What is heard is what is in the file: seeking equals decoding straight through, and bad files are values."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tagger.analysis import decode
from tagger.analysis.chunks import ChunkPlan
from tagger.records import Decoded, Failure
from tests import ape_files
from tests.audio import KINDS, Kind, encode, music, write_audio, write_speex

PLAN = ChunkPlan(chunk_seconds=2.0, chunks=4)
RATE_HZ = 16_000


def heard(path: Path, plan: ChunkPlan = PLAN) -> tuple[np.ndarray, Decoded]:
    decoded = decode.read(os.fsencode(path), plan, RATE_HZ)
    assert isinstance(decoded, Decoded), decoded
    return np.frombuffer(decoded.samples, dtype="<i2").reshape(decoded.chunks, -1), decoded


def straight(path: Path) -> np.ndarray:
    samples = decode.straight(os.fsencode(path), RATE_HZ)
    assert not isinstance(samples, Failure), samples
    return samples


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """More than a minute: long enough to be sought in."""
    return np.tile(music(10, 48_000), (7, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_seeking_equals_the_straight_decode(kind: str, sound: np.ndarray, tmp_path: Path) -> None:
    made = KINDS[kind]
    rate = 44_100 if made.rate_hz == 44_100 else 48_000
    path = tmp_path / f"long.{made.suffix}"
    encode(path, made, sound[: 70 * rate])
    chunks, decoded = heard(path)
    whole = straight(path)
    assert decoded.chunks == PLAN.chunks
    assert decoded.length_seconds == pytest.approx(len(whole) / RATE_HZ, abs=0.15)
    starts = PLAN.starts(round(decoded.length_seconds * RATE_HZ), RATE_HZ)
    for chunk, start in zip(chunks, starts, strict=True):
        expected = whole[start : start + len(chunk)]
        if made.exact:
            assert np.array_equal(chunk, expected)
        else:  # within 2 ms
            assert offset(chunk, whole, start) <= RATE_HZ * 0.002


def offset(chunk: np.ndarray, whole: np.ndarray, start: int) -> int:
    """By how many samples the chunk lies beside its place."""
    part = chunk[4_000:20_000].astype(float)
    distances = {
        shift: np.abs(part - whole[start + 4_000 + shift : start + 20_000 + shift]).mean() for shift in range(-64, 65)
    }
    return abs(min(distances, key=distances.__getitem__))


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_recording_is_heard_whole(kind: str, tmp_path: Path) -> None:
    path = write_audio(tmp_path, kind, 3.0)
    chunks, decoded = heard(path, ChunkPlan())
    assert (decoded.chunks, chunks.shape[1]) == (1, 5 * RATE_HZ)
    assert decoded.length_seconds == pytest.approx(3.0, abs=0.15)
    whole = straight(path)
    assert np.array_equal(chunks[0][: len(whole)], whole)


def test_the_sound_is_the_sound(tmp_path: Path) -> None:
    """A tone of 1 kHz stays one, as loud as it was, in mono from two channels."""
    time_s = np.arange(5 * 44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * time_s)
    path = tmp_path / "tone.flac"
    encode(path, KINDS["flac"], np.stack((tone, tone), axis=1).astype(np.float32))
    samples = straight(path)[8_000:24_000] / 32_768
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) == pytest.approx(1_000, abs=1)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_a_duration_that_lies_is_not_believed(sound: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    encode(path, KINDS["flac"], sound[: 70 * 44_100])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 8 // 10])  # STREAMINFO still says seventy seconds
    chunks, decoded = heard(path)
    assert 50 < decoded.length_seconds < 62
    assert decoded.chunks == PLAN.chunks
    assert np.abs(chunks).max(axis=1).min() > 1_000


def test_an_mp3_without_a_header_of_its_length(sound: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "vbr.mp3"
    encode(path, Kind("mp3", "libmp3lame", bit_rate=96_000), sound[: 70 * 44_100])
    content = path.read_bytes()
    at = max(content.find(b"Info"), content.find(b"Xing"))
    assert at > 0
    path.write_bytes(content[:at] + b"None" + content[at + 4 :])
    chunks, decoded = heard(path)
    whole = straight(path)
    for chunk, start in zip(chunks, PLAN.starts(round(decoded.length_seconds * RATE_HZ), RATE_HZ), strict=True):
        assert np.array_equal(chunk, whole[start : start + len(chunk)])


def test_a_name_that_is_no_utf8_and_tags_that_are_none(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "flac", 3.0)
    odd = os.path.join(os.fsencode(tmp_path), b"\xff\n.flac")
    os.rename(path, odd)
    assert isinstance(decode.read(odd, PLAN, RATE_HZ), Decoded)


def test_dsd_and_speex_are_heard(tmp_path: Path, need: Callable[[str], str]) -> None:
    """Which no encoder of PyAV's writes."""
    for path in (write_audio(tmp_path, "dsf", 2.5), write_speex(tmp_path, need, 2.5)):
        found = decode.read(os.fsencode(path), PLAN, RATE_HZ)
        assert isinstance(found, Decoded), path
        assert found.length_seconds == pytest.approx(2.5, abs=0.1)


def failure(path: Path) -> str:
    failed = decode.read(os.fsencode(path), PLAN, RATE_HZ)
    assert isinstance(failed, Failure), failed
    return failed.reason


def test_what_cannot_be_heard_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no music\n" * 200)
    assert failure(tmp_path / "a.mp3") in (decode.NOT_DECODABLE, "damaged")
    assert failure(tmp_path / "gone.mp3") == "cannot be read"
    assert failure(write_audio(tmp_path, "flac", 1.0, name="short")) == "too short"
    silence = tmp_path / "silence.flac"
    encode(silence, KINDS["flac"], np.full((44_100 * 4, 2), 0.0005, dtype=np.float32))
    assert failure(silence) == "silent"
    quiet = tmp_path / "quiet.flac"
    encode(quiet, KINDS["flac"], music(4, 44_100) * 0.01)
    assert isinstance(decode.read(os.fsencode(quiet), PLAN, RATE_HZ), Decoded)


def test_a_damaged_file_gives_its_readable_part(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3", 8.0)
    content = bytearray(path.read_bytes())
    content[60_000:64_000] = os.urandom(4_000)
    path.write_bytes(content)
    _, decoded = heard(path)
    assert decoded.length_seconds > 7


def test_a_tag_behind_the_audio_ends_it(tmp_path: Path) -> None:
    """FFmpeg takes an ID3v1 tag behind a WavPack file for a damaged block; the music before it is whole."""
    path = write_audio(tmp_path, "wavpack", 3.0)
    whole = straight(path)
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    assert np.array_equal(straight(path), whole)
    assert heard(path)[1].length_seconds == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("kind", ["mp3", "wavpack", "m4a", "wav", "ogg-vorbis", "wma", *ape_files.KINDS])
def test_what_stands_behind_id3v2_tags_is_heard_as_without_them(kind: str, tmp_path: Path) -> None:
    """FFmpeg by itself opens the first of these alone."""
    path = (ape_files.write if kind in ape_files.KINDS else write_audio)(tmp_path, kind)
    whole = straight(path)
    footer = b"ID3\4\0\x10" + bytes(4) + b"3DI\4\0\x10" + bytes(4)
    large = b"ID3\3\0\0" + bytes((0, 90, 0, 0)) + os.urandom(90 << 14)
    path.write_bytes(footer + ape_files.id3v2((b"TIT2", b"Title")) + large + path.read_bytes())
    assert np.array_equal(straight(path), whole)


def test_a_tag_longer_than_its_file_is_no_crash(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "mp3")
    path.write_bytes(b"ID3\3\0\0" + b"\x7f" * 4 + path.read_bytes())
    assert failure(path) in (decode.NOT_DECODABLE, "damaged")
