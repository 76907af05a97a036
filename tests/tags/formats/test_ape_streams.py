"""Length and channels of Monkey's Audio, WavPack and Musepack files."""

import io

import pytest

from tagger.tags.formats.detect import detect
from tests import ape_files
from tests.audio import write_audio


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("ape")
    made = {kind: ape_files.write(folder, kind).read_bytes() for kind in ape_files.KINDS}
    return made | {"wavpack": write_audio(folder, "wavpack", 0.5).read_bytes()}


@pytest.mark.parametrize(
    ("kind", "length_seconds", "channels"),
    [("wavpack", 0.5, 2), ("musepack 7", 0.0653, 2), ("musepack 8", 0.0261, 2), ("monkeys", 0.1045, 2)],
)
def test_length_and_channels(kind: str, length_seconds: float, channels: int, audio: dict[str, bytes]) -> None:
    for front in (b"", ape_files.id3v2((b"TIT2", b"x"))):
        file = io.BytesIO(front + audio[kind])
        content = detect(file, f".{ape_files.KINDS.get(kind, 'wv')}".encode()).read(file)
        assert content.length_seconds == pytest.approx(length_seconds, abs=1e-3)
        assert content.channels == channels


def test_a_stream_header_that_lies_is_no_reason_not_to_write(audio: dict[str, bytes]) -> None:
    """A packet of size 0 in front of the stream header, a number without end, a block that leads nowhere."""
    for content in (b"MPCKXX\0", b"MPCKSH" + b"\xff" * 30, b"MPCK", b"MPCKSH\5\0\0"):
        file = io.BytesIO(content)
        read = detect(file, b".mpc").read(file)
        assert (read.length_seconds, read.channels, read.refusal) == (None, None, None)
    wavpack = bytearray(audio["wavpack"])
    wavpack[25] &= ~0x10  # not the last block of its samples
    wavpack[4:8] = b"\xff" * 4
    file = io.BytesIO(bytes(wavpack))
    assert detect(file, b".wv").read(file).channels is None


def test_a_long_wavpack_file(audio: dict[str, bytes]) -> None:
    """More samples than 32 bits hold, as version 5 writes them; and a number of samples that is not known."""
    wavpack = bytearray(audio["wavpack"])
    wavpack[11] = 1
    file = io.BytesIO(wavpack)
    assert detect(file, b".wv").read(file).length_seconds == pytest.approx((22_050 + 0xFFFFFFFF) / 44_100)
    wavpack[12:16] = b"\xff" * 4
    file = io.BytesIO(wavpack)
    assert detect(file, b".wv").read(file).length_seconds is None
