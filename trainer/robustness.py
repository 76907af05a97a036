"""Whether a recording is heard alike through codecs, at other loudness, rates and chunk counts.

Clips are heard by the fold's bundle that never met their artist, whole tracks by the network that ships.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.calibration import calibrated
from tagger.analysis.chunks import ChunkPlan
from tagger.analysis.decode import read, straight
from tagger.records import Decoded, Failure
from tagger.vocabulary import MOODS
from trainer.evaluate import Predictions
from trainer.export import fold_bundle
from trainer.intervals import Figure, with_interval
from trainer.manifest import Clip
from trainer.samples import Progress, clean_processes

Samples = NDArray[np.int16]
RATE_HZ = 44_100
SAMPLE = 200
"""Clips that are drawn by default: enough to tell 90 % from 85 %, in some minutes."""
BOUND = 0.9
"""Share of recordings whose mood, and whose genre, must stay the same; the phone is reported, not bounded."""
PHONE = "through a phone, 300-3,400 Hz"
_HEADS = ("mood", "genre")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A file that is made of a recording, or, without a codec, the recording itself under another plan."""

    name: str
    codec: str | None = None
    suffix: str = "wav"
    bit_rate: int | None = None
    rate_hz: int = RATE_HZ
    layout: str = "mono"
    change: Callable[[Samples], Samples] | None = None
    chunks: int | None = None  # None: as many as the bundle's plan


def _gain(factor: float, samples: Samples) -> Samples:
    """What does not fit into 16 bits is clipped, as in a file that was made too loud."""
    return np.asarray(np.clip(samples * factor, -32_768, 32_767).astype(np.int16))


def _phone(samples: Samples) -> Samples:
    band = butter(4, (300, 3_400), btype="bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(np.clip(sosfilt(band, samples), -32_768, 32_767).astype(np.int16))


AS_IT_IS = Rendition(name="as it is")
OF_CLIPS = (
    Rendition(name="MP3, 128 kbit/s", codec="libmp3lame", suffix="mp3", bit_rate=128_000, layout="stereo"),
    Rendition(name="MP3, 64 kbit/s", codec="libmp3lame", suffix="mp3", bit_rate=64_000, layout="stereo"),
    Rendition(name="a quarter as loud", codec="pcm_s16le", change=partial(_gain, 0.25)),
    Rendition(name="four times as loud", codec="pcm_s16le", change=partial(_gain, 4.0)),
    Rendition(name=PHONE, codec="pcm_s16le", change=_phone),
    Rendition(name="mono, 44.1 kHz", codec="pcm_s16le"),
    Rendition(name="stereo, 44.1 kHz", codec="pcm_s16le", layout="stereo"),
    Rendition(name="mono, 48 kHz", codec="pcm_s16le", rate_hz=48_000),
    Rendition(name="3 chunks", chunks=3),
    Rendition(name="12 chunks", chunks=12),
)
OF_TRACKS = (
    Rendition(name="Opus, mono, 16 kHz, 24 kbit/s", codec="libopus", suffix="opus", bit_rate=24_000, rate_hz=16_000),
    Rendition(name="mono, 44.1 kHz", codec="pcm_s16le"),
    Rendition(name="3 chunks", chunks=3),
    Rendition(name="12 chunks", chunks=12),
    Rendition(name="60 chunks", chunks=60),
)
"""Opus is what the clips of the training data passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How alike recordings are heard as they are and in a rendition of them."""

    name: str
    of: str  # "clips, out of fold" or "whole tracks"
    same: Mapping[str, Figure]  # head -> share of recordings with the same answer
    shift: Mapping[str, float]  # head -> mean absolute difference of a probability
    mood_accuracy: Figure | None = None  # over the clips that have a mood


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """What was measured, and how many pairs of different recordings got the very same numbers."""

    conditions: Sequence[Condition]
    equal_pairs: int
    sample: str = ""


@dataclass(slots=True)
class _Answers:
    """Calibrated probabilities of a head by recording, as it is and in renditions: name -> key -> (labels,)."""

    of: dict[str, dict[str, dict[str, NDArray[np.float64]]]] = field(default_factory=dict)

    def add(self, head: str, rendition: str, key: str, probabilities: NDArray[np.float64]) -> None:
        self.of.setdefault(head, {}).setdefault(rendition, {})[key] = probabilities


def measure_clips(run: Path, predictions: Predictions, progress: Progress, sample: int = SAMPLE) -> list[Condition]:
    """A random sample of the clips of all reported sets, each by its fold's bundle."""
    chosen = sorted(drawn(predictions.clips, sample), key=lambda clip: clip.fold)
    analyzers = {fold: Analyzer(load(fold_bundle(run, fold)[0])) for fold in {clip.fold for clip in chosen}}
    folds = np.array([clip.fold for clip in predictions.clips])
    temperatures = {fold: {head: predictions.temperature(head, folds != fold) for head in _HEADS} for fold in analyzers}
    answers = _Answers()
    header = analyzers[chosen[0].fold].header
    made = _made([clip.path for clip in chosen], OF_CLIPS, header.plan, header.sample_rate_hz)
    for number, (clip, heard) in enumerate(zip(chosen, made, strict=True), start=1):
        _add(answers, clip.key, heard, analyzers[clip.fold], temperatures[clip.fold])
        progress(number, len(chosen), "hear clips in other renditions")
    return [_condition("clips, out of fold", one.name, answers, chosen) for one in OF_CLIPS]


def drawn(clips: Sequence[Clip], sample: int) -> list[Clip]:
    """The same clips each time; ishkur's are in no figure."""
    reported = [clip for clip in clips if clip.set != "ishkur"]
    rows = np.random.default_rng(0).permutation(len(reported))[:sample]
    return [reported[row] for row in sorted(rows)]


def measure_tracks(analyzer: Analyzer, tracks: Sequence[Path], progress: Progress) -> list[Condition]:
    """Every track that can be heard, by a calibrated bundle."""
    answers, header = _Answers(), analyzer.header
    made = _made(tracks, OF_TRACKS, header.plan, header.sample_rate_hz)
    for number, (track, heard) in enumerate(zip(tracks, made, strict=True), start=1):
        _add(answers, track.name, heard, analyzer, header.temperatures)
        progress(number, len(tracks), "hear whole tracks in other renditions")
    return [_condition("whole tracks", one.name, answers, ()) for one in OF_TRACKS] if answers.of else []


def _made(
    paths: Sequence[Path], renditions: Sequence[Rendition], plan: ChunkPlan, rate_hz: int
) -> Iterable[dict[str, Decoded]]:
    with clean_processes() as processes:
        yield from processes.map(partial(decoded, renditions=renditions, plan=plan, rate_hz=rate_hz), paths)


def decoded(path: Path, renditions: Sequence[Rendition], plan: ChunkPlan, rate_hz: int) -> dict[str, Decoded]:
    """What of a recording is heard, as it is and in each rendition; nothing where it cannot be heard."""
    whole = straight(os.fsencode(path), RATE_HZ)
    found: dict[str, Decoded] = {}
    if isinstance(whole, Failure):
        return found
    with tempfile.TemporaryDirectory() as folder:
        for rendition in (AS_IT_IS, *renditions):
            made = path
            if rendition.codec:
                made = Path(folder) / f"made.{rendition.suffix}"
                _encode(rendition.change(whole) if rendition.change else whole, rendition, made)
            chunks = ChunkPlan(chunk_seconds=plan.chunk_seconds, chunks=rendition.chunks or plan.chunks)
            one = read(os.fsencode(made), chunks, rate_hz)
            if isinstance(one, Decoded):
                found[rendition.name] = one
    return found if AS_IT_IS.name in found else {}


def _add(
    answers: _Answers, key: str, heard: Mapping[str, Decoded], analyzer: Analyzer, temperatures: Mapping[str, float]
) -> None:
    pooled = analyzer.outputs(list(heard.values())) if heard else []
    for rendition, one in zip(heard, pooled, strict=True):
        for head in _HEADS:
            answers.add(head, rendition, key, calibrated(one.outputs[head], temperatures[head]))


def _condition(of: str, name: str, answers: _Answers, clips: Sequence[Clip]) -> Condition:
    groups = {clip.key: clip.group for clip in clips}
    same, shift = {}, {}
    for head, by_rendition in answers.of.items():
        before, after = by_rendition[AS_IT_IS.name], by_rendition.get(name, {})
        keys = [key for key in before if key in after]
        alike = np.array([before[key].argmax() == after[key].argmax() for key in keys], dtype=np.float64)
        same[head] = _share(alike, [groups.get(key, key) for key in keys])
        shift[head] = float(np.mean([np.abs(before[key] - after[key]).mean() for key in keys]))
    return Condition(name=name, of=of, same=same, shift=shift, mood_accuracy=_accuracy(name, answers, clips))


def _accuracy(name: str, answers: _Answers, clips: Sequence[Clip]) -> Figure | None:
    after = answers.of["mood"].get(name, {})
    known = [clip for clip in clips if clip.mood is not None and clip.key in after]
    hit = np.array([MOODS[int(after[clip.key].argmax())] == clip.mood for clip in known], dtype=np.float64)
    return _share(hit, [clip.group for clip in known]) if known else None


def _share(flags: NDArray[np.float64], groups: Sequence[str]) -> Figure:
    return with_interval(lambda rows: float(flags[rows].mean()), groups)


def equal_pairs(predictions: Predictions) -> int:
    """Pairs of different clips for which every head gives the very same numbers: there must be none."""
    numbers = np.concatenate(list(predictions.outputs.values()), axis=1)
    _, counts = np.unique(numbers, axis=0, return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


def _encode(samples: Samples, rendition: Rendition, target: Path) -> None:
    """Mono samples at RATE_HZ into a file; a stereo file has them in both channels."""
    layout, rate_hz = rendition.layout, rendition.rate_hz
    with av.open(str(target), "w") as container:
        stream = container.add_stream(rendition.codec or "", rate=rate_hz, layout=layout)
        assert isinstance(stream, AudioStream)
        if rendition.bit_rate:
            stream.bit_rate = rendition.bit_rate
        resampler = av.AudioResampler(
            format=stream.format.name, layout=layout, rate=rate_hz, frame_size=stream.frame_size or 4_096
        )
        # a resampler that made stereo of mono would take 3 dB off
        channels = np.repeat(samples, len(stream.layout.channels))
        frame = av.AudioFrame.from_ndarray(channels[None], format="s16", layout=layout)
        frame.sample_rate = RATE_HZ
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def save(run: Path, found: Robustness) -> None:
    """robustness.json in `run`/report: what the report and the claims read."""
    folder = run / "report"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "robustness.json").write_text(json.dumps(asdict(found), indent=1))


def saved(run: Path) -> Robustness | None:
    """What was measured of a run, or None."""
    path = run / "report" / "robustness.json"
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    conditions = [
        Condition(
            name=one["name"],
            of=one["of"],
            same={head: Figure(**figure) for head, figure in one["same"].items()},
            shift=one["shift"],
            mood_accuracy=Figure(**one["mood_accuracy"]) if one["mood_accuracy"] else None,
        )
        for one in values["conditions"]
    ]
    return Robustness(conditions=conditions, equal_pairs=values["equal_pairs"], sample=values["sample"])
