"""A short recording made from nothing."""

import math
import struct
import wave
from pathlib import Path

RATE_HZ = 22_050


def write_tone(path: Path, seconds: int = 4, pitch_hz: float = 440.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (int(9_000 * math.sin(pitch_hz * index * 2 * math.pi / RATE_HZ)) for index in range(seconds * RATE_HZ))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
