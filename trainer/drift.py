"""Whether a recording is heard alike as it is and after the codec that the training clips passed."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.decode import read, straight
from tagger.records import Analysis, Failure
from trainer.samples import Progress

BIT_RATE = 24_000
RATE_HZ = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One track, heard twice; `shift` is the mean absolute difference of a head's probabilities."""

    track: str
    before: Analysis
    after: Analysis

    @property
    def same_mood(self) -> bool:
        return self.before.mood == self.after.mood

    @property
    def same_genre(self) -> bool:
        return self.before.genre == self.after.genre

    def shift(self, head: str) -> float:
        before, after = self.before.probabilities[head], self.after.probabilities[head]
        return float(np.mean([abs(before[label] - after[label]) for label in before]))


def measure(analyzer: Analyzer, tracks: Sequence[Path], progress: Progress) -> list[Drift]:
    """Every track that can be heard, as it is and as Opus, mono, 16 kHz, 24 kbit/s."""
    drifts = []
    for number, track in enumerate(tracks, start=1):
        with tempfile.TemporaryDirectory() as folder:
            coded = Path(folder) / "coded.opus"
            _encode(track, coded)
            before, after = _heard(analyzer, track), _heard(analyzer, coded)
        if before and after:
            drifts.append(Drift(track=track.name, before=before, after=after))
        progress(number, len(tracks), "hear tracks twice")
    return drifts


def _heard(analyzer: Analyzer, path: Path) -> Analysis | None:
    decoded = read(os.fsencode(path), analyzer.header.plan, analyzer.header.sample_rate_hz)
    return None if isinstance(decoded, Failure) else analyzer.analyze([decoded])[0]


def _encode(source: Path, target: Path) -> None:
    samples = straight(os.fsencode(source), RATE_HZ)
    if isinstance(samples, Failure):
        return
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libopus", rate=RATE_HZ, layout="mono")
        stream.bit_rate = BIT_RATE
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=RATE_HZ, frame_size=320)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
