"""Real audio for the tests: music-like sound through real encoders, the same bytes for the same arguments."""

import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Kind:
    """One container and codec; `exact`: a seek decodes the very samples of the straight decode."""

    suffix: str
    codec: str
    rate_hz: int = 44_100
    bit_rate: int | None = None
    format: str | None = None
    exact: bool = True


KINDS = {
    "mp3": Kind("mp3", "libmp3lame", bit_rate=128_000),
    "flac": Kind("flac", "flac"),
    "ogg-vorbis": Kind("ogg", "vorbis"),
    "ogg-opus": Kind("opus", "libopus", rate_hz=48_000, bit_rate=64_000),
    "ogg-flac": Kind("oga", "flac", format="ogg"),
    "m4a": Kind("m4a", "aac", bit_rate=96_000, format="ipod", exact=False),
    "alac": Kind("m4a", "alac", format="ipod"),
    "wav": Kind("wav", "pcm_s16le"),
    "aiff": Kind("aiff", "pcm_s16be"),
    "wavpack": Kind("wv", "wavpack"),
    "wma": Kind("wma", "wmav2", bit_rate=96_000, format="asf", exact=False),
    "tta": Kind("tta", "tta"),
    "adts": Kind("aac", "aac", bit_rate=96_000, format="adts", exact=False),
    "matroska": Kind("mka", "flac", format="matroska", exact=False),
    "webm": Kind("webm", "libopus", rate_hz=48_000, bit_rate=64_000, exact=False),
}


_DSD_HZ, _DSD_BLOCK_BYTES = 2_822_400, 4096


def music(seconds: float, rate_hz: int, seed: int = 0) -> NDArray[np.float32]:
    """(samples, 2) in [-1, 1]: chords of decaying harmonics over a beat of noise."""
    generator = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * rate_hz))
    after_s = np.arange(rate_hz) / rate_hz  # a beat sounds for a second
    for start in range(0, len(sound), rate_hz // 2):
        beat = np.exp(-20 * after_s) * generator.normal(size=rate_hz) * 0.2
        for pitch_hz in 110 * 2 ** (generator.integers(0, 25, 3) / 12):
            beat += sum(np.sin(2 * np.pi * pitch_hz * k * after_s) / k for k in range(1, 4)) * 0.15
        beat *= np.exp(-3 * after_s) * np.minimum(1, 20 * (1 - after_s))
        sound[start : start + rate_hz] += beat[: len(sound) - start]
    left = np.tanh(sound)
    right = np.tanh(np.roll(sound, rate_hz // 500) * 0.9)
    return np.stack((left, right), axis=1).astype(np.float32) * 0.7


def write_audio(folder: Path, kind: str, seconds: float = 3.0, *, name: str = "track", seed: int = 0) -> Path:
    """A file of one of KINDS, or "dsf", with `music` in it."""
    if kind == "dsf":
        path = folder / f"{name}.dsf"
        path.write_bytes(dsf(music(seconds, _DSD_HZ // 64, seed)))
        return path
    made = KINDS[kind]
    path = folder / f"{name}.{made.suffix}"
    encode(path, made, music(seconds, made.rate_hz, seed))
    return path


def write_speex(folder: Path, need: Callable[[str], str], seconds: float = 1.0) -> Path:
    """Speex at 32 kHz. PyAV brings no encoder for it, so FFmpeg's program makes it."""
    path = folder / "speex.spx"
    source = write_audio(folder, "wav", seconds, name="speex-source")
    subprocess.run((need("ffmpeg"), "-v", "error", "-i", source, "-ar", "32000", path), check=True)
    source.unlink()
    return path


def dsf(sound: NDArray[np.float32]) -> bytes:
    """(samples, channels) at 44.1 kHz as DSD64 in a file without a tag, for which no encoder is to be had.

    Each sample is as many ones in 64 bits as it is loud, at random places: noisy, and music all the same. Laid out by
    https://dsd-guide.com/sites/default/files/white-papers/DSFFileFormatSpec_E.pdf
    """
    count, channels = sound.shape
    drawn = np.random.default_rng(0).random((channels, count * 64), dtype=np.float32)
    bits = np.packbits(drawn < np.repeat((sound.T + 1) / 2, 64, axis=1), axis=1, bitorder="little")
    blocks = -(-bits.shape[1] // _DSD_BLOCK_BYTES)
    bits = np.pad(bits, ((0, 0), (0, blocks * _DSD_BLOCK_BYTES - bits.shape[1])))
    samples = bits.reshape(channels, blocks, _DSD_BLOCK_BYTES).swapaxes(0, 1).tobytes()
    form = (1, 0, channels, channels, _DSD_HZ, 1, count * 64, _DSD_BLOCK_BYTES, 0)
    body = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, *form) + struct.pack("<4sQ", b"data", 12 + len(samples)) + samples
    return struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(body), 0) + body


def encode(path: Path, kind: Kind, sound: NDArray[np.float32]) -> None:
    """Writes (samples, channels) through the encoder of `kind`."""
    layout = "stereo" if sound.shape[1] == 2 else "mono"
    options = {"id3v2_version": "0", "write_xing": "1"} if kind.suffix == "mp3" else {}
    if kind.suffix == "wav":  # without the INFO chunk that names the encoder: FFmpeg shows no ID3 tag beside one
        options = {"fflags": "+bitexact"}
    with av.open(str(path), "w", format=kind.format, options=options) as container:
        stream = container.add_stream(kind.codec, rate=kind.rate_hz, layout=layout)
        if kind.codec == "vorbis":  # FFmpeg's own encoder, which it calls experimental
            stream.codec_context.options = {"strict": "experimental"}
        if kind.bit_rate:
            stream.bit_rate = kind.bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout=layout)
        frame.sample_rate = kind.rate_hz
        resampler = av.AudioResampler(
            format=stream.format.name, layout=layout, rate=kind.rate_hz, frame_size=stream.frame_size or 4096
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        rest = stream.encode(None)
        if kind.codec == "flac" and kind.format:  # its last packet is a STREAMINFO that only a .flac has room for
            rest = [packet for packet in rest if packet.size]
        container.mux(rest)
