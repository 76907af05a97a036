"""From a file to the samples that are listened to: mono, 16 bits, at the bundle's rate.

PyAV's wheels carry FFmpeg, so no system package is needed. Long recordings are decoded by seeking to each chunk of the
plan; what that gives equals the straight decode where the codec allows. Resampling restarts on a grid aligned with the
file's first sample, so that its phases fall as in the straight decode. Wherever a seek lands in doubt (no time stamps,
a gap, another rate), the recording is decoded straight through instead: right beats fast.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedReader
from itertools import chain
from math import gcd
from typing import Any

import av
import av.container
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from numpy.typing import NDArray

from tagger.analysis.behind_tags import BehindTags
from tagger.analysis.chunks import ChunkPlan
from tagger.records import Decoded, Failure, Stage

Samples = NDArray[np.int16]

NOT_DECODABLE = "not an audio file that can be decoded"
"""Some are audio all the same: FFmpeg has no decoder for Musepack before version 7, or for OptimFROG."""
SHORTEST_SECONDS = 2.0
SILENCE_PEAK = 33
"""Of 32,768: -60 dBFS. A recording of which no heard sample is louder is silent."""
SEEK_ABOVE_SECONDS = 60.0
"""Shorter recordings are decoded straight through: seeking would save nothing."""
_IN_MEMORY_SECONDS = 600.0
_RESAMPLER_MARGIN = 64
"""Samples at the output's rate that the resampling filter reaches to either side, amply."""
_PRE_ROLL_SECONDS = {"flac": 0.0, "alac": 0.0, "opus": 1.0}
_PRE_ROLL_DEFAULT_SECONDS = 0.5
"""What a codec needs in front of a place to sound as if it had come from the beginning; PCM needs none."""
_STRAY_STAMPS = 3
"""Time stamps in a row that may disagree with the count of samples before it counts as a gap."""
_ESTIMATED_DURATIONS = ("mp3", "aac", "loas", "ac3")
"""Containers whose duration FFmpeg guesses from the bit rate: their packets are counted."""


class _InDoubtError(Exception):
    """A seek did not land where it can be trusted."""


@dataclass(frozen=True, slots=True, eq=False)
class _Recording:
    """An open file and its first audio stream."""

    container: av.container.InputContainer
    stream: AudioStream
    rate_hz: int  # of the output

    @property
    def input_rate_hz(self) -> int:
        return int(self.stream.codec_context.sample_rate)


def read(path: bytes, plan: ChunkPlan, rate_hz: int) -> Decoded | Failure:
    """The chunks of a plan. A recording shorter than a chunk is repeated to fill it.

    Failures of a recording are values: "cannot be read", NOT_DECODABLE, "no audio stream", "damaged", "too short"
    (under two seconds can be decoded), "silent" (no heard sample above -60 dBFS). A damaged file gives what its
    readable part gives.
    """
    try:
        with open(path, "rb") as file:
            return _read(file, plan, rate_hz)
    except av.error.InvalidDataError as error:
        return Failure(stage=Stage.DECODE, reason=NOT_DECODABLE, detail=str(error.strerror))
    except av.error.FFmpegError as error:
        return Failure(stage=Stage.DECODE, reason="damaged", detail=str(error.strerror))
    except OSError as error:
        return Failure(stage=Stage.DECODE, reason="cannot be read", detail=str(error.strerror))


def straight(path: bytes, rate_hz: int) -> Samples | Failure:
    """The whole recording, decoded from its first packet to its last; (samples,) int16."""
    try:
        with open(path, "rb") as file, _opened(file, rate_hz) as recording:
            if recording is None:
                return Failure(stage=Stage.DECODE, reason="no audio stream")
            return _joined(list(_resampled(_frames(recording), rate_hz)))
    except (OSError, av.error.FFmpegError) as error:
        return Failure(stage=Stage.DECODE, reason="cannot be decoded", detail=str(error))


def _read(file: BufferedReader, plan: ChunkPlan, rate_hz: int) -> Decoded | Failure:
    with _opened(file, rate_hz) as recording:
        if recording is None:
            return Failure(stage=Stage.DECODE, reason="no audio stream")
        declared = _declared_samples(recording)
    if declared is None or declared > SEEK_ABOVE_SECONDS * rate_hz:
        try:
            return _checked(*_by_seeking(file, plan, rate_hz, declared), plan, rate_hz)
        except _InDoubtError:
            pass
    return _checked(*_straight_through(file, plan, rate_hz), plan, rate_hz)


class _opened:  # noqa: N801 - used as a function
    """Context of an open recording; None where the file has no audio stream."""

    def __init__(self, file: BufferedReader, rate_hz: int) -> None:
        self.container = av.open(BehindTags(file), mode="r", buffer_size=1 << 16, metadata_errors="replace")
        self.rate_hz = rate_hz

    def __enter__(self) -> _Recording | None:
        streams = self.container.streams.audio
        if not streams:
            return None
        stream = streams[0]
        stream.codec_context.thread_count = 1  # forty workers on forty cores must not become sixteen hundred threads
        return _Recording(self.container, stream, self.rate_hz)

    def __exit__(self, *_: object) -> None:
        self.container.close()


def _declared_samples(recording: _Recording) -> int | None:
    """Length at the output's rate as the container says it; None where it only guesses."""
    container, stream = recording.container, recording.stream
    if any(name in container.format.name.split(",") for name in _ESTIMATED_DURATIONS):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return int(stream.duration * stream.time_base * recording.rate_hz)
    return None if container.duration is None else int(Fraction(container.duration, av.time_base) * recording.rate_hz)


def _counted_samples(recording: _Recording) -> int:
    """Length at the output's rate, from the durations of the packets; nothing is decoded."""
    ticks = 0
    for packet in recording.container.demux(recording.stream):
        if packet.duration is None and packet.size:
            raise _InDoubtError("a packet without a duration")
        ticks += packet.duration or 0
    assert recording.stream.time_base is not None
    return int(ticks * recording.stream.time_base * recording.rate_hz)


# --- by seeking ------------------------------------------------------------------------------------------------------


def _by_seeking(file: BufferedReader, plan: ChunkPlan, rate_hz: int, declared: int | None) -> tuple[list[Samples], int]:
    """Chunks and length. Raises _InDoubtError where the straight decode must answer."""
    length = plan.length(rate_hz)
    with _opened(file, rate_hz) as recording:
        assert recording is not None
        total = _counted_samples(recording) if declared is None else declared
    if total <= SEEK_ABOVE_SECONDS * rate_hz:
        raise _InDoubtError("short")
    for attempt in range(2):
        with _opened(file, rate_hz) as recording:
            assert recording is not None
            base = _first_pts(recording)
            chunks = [_sought(recording, base, start, length) for start in plan.starts(total, rate_hz)]
        if all(len(chunk) == length for chunk in chunks):
            return chunks, total
        if attempt == 0:  # the end came early: count, and plan again
            with _opened(file, rate_hz) as recording:
                assert recording is not None
                total = min(total - 1, _counted_samples(recording))
            if total <= SEEK_ABOVE_SECONDS * rate_hz:
                break
    raise _InDoubtError("the end came early twice")


def _first_pts(recording: _Recording) -> int:
    """Time stamp of the file's first sample."""
    for frame in recording.container.decode(recording.stream):
        if frame.pts is None:
            break
        return int(frame.pts)
    raise _InDoubtError("no time stamps")


def _sought(recording: _Recording, base: int, start: int, length: int) -> Samples:
    """Samples [start, start + length) at the output's rate; fewer where the recording ends."""
    rate_in, rate_out = recording.input_rate_hz, recording.rate_hz
    divisor = gcd(rate_in, rate_out)
    grid_in, grid_out = rate_in // divisor, rate_out // divisor
    block = max(0, start - _RESAMPLER_MARGIN) // grid_out
    first_in, first_out = block * grid_in, block * grid_out
    wanted = start - first_out + length
    pieces: list[Samples] = []
    have = 0
    for piece in _resampled(_frames_from(recording, base, first_in), rate_out):
        pieces.append(piece)
        have += len(piece)
        if have >= wanted + _RESAMPLER_MARGIN:
            break
    return _joined(pieces)[start - first_out : wanted]


def _frames_from(recording: _Recording, base: int, first: int) -> Iterator[AudioFrame]:
    """Decoded frames from input sample `first` of the recording on; the first is cut to begin there."""
    stream, rate_hz = recording.stream, recording.input_rate_hz
    time_base = stream.time_base
    assert time_base is not None
    codec = stream.codec_context.name
    pre_roll_s = 0.0 if codec.startswith("pcm") else _PRE_ROLL_SECONDS.get(codec, _PRE_ROLL_DEFAULT_SECONDS)
    target = base + int((Fraction(first, rate_hz) - Fraction(pre_roll_s)) / time_base)
    recording.container.seek(target, stream=stream, backward=True)
    frames = _stamped(recording, base)
    early, position = _landed(frames, first)
    if position > max(0, first - pre_roll_s * rate_hz / 2):
        raise _InDoubtError("landed behind the place")
    gaps, tolerance = 0, _tolerance(time_base, rate_hz)
    for frame, stamp in chain(early, frames):
        gaps = gaps + 1 if abs(stamp - position) > tolerance else 0
        if gaps > _STRAY_STAMPS:
            raise _InDoubtError("a gap")
        position += frame.samples
        if position > first:
            yield frame if position - frame.samples >= first else _cut(frame, first - position + frame.samples)


def _stamped(recording: _Recording, base: int) -> Iterator[tuple[AudioFrame, int]]:
    """Decoded frames, and where their time stamps put them, in samples from the recording's first."""
    time_base = recording.stream.time_base
    assert time_base is not None
    for frame in _frames(recording):
        if frame.pts is None or frame.sample_rate != recording.input_rate_hz:
            raise _InDoubtError("no time stamp, or another rate")
        yield frame, round((frame.pts - base) * time_base * frame.sample_rate)


def _landed(frames: Iterator[tuple[AudioFrame, int]], first: int) -> tuple[list[tuple[AudioFrame, int]], int]:
    """The frames up to sample `first`, and the place of the earliest, on which most of their time stamps agree.

    Vorbis' stamps are off by half a block wherever the block size changes.
    """
    early: list[tuple[AudioFrame, int]] = []
    places: Counter[int] = Counter()
    samples = 0
    for frame, stamp in frames:
        early.append((frame, stamp))
        places[stamp - samples] += 1
        samples += frame.samples
        if stamp >= first and len(early) > _STRAY_STAMPS:
            break
    if not places:
        raise _InDoubtError("nothing there")
    return early, places.most_common(1)[0][0]


def _tolerance(time_base: Fraction, rate_hz: int) -> float:
    """Samples by which time stamps may be off: Opus' by one, a container may count in milliseconds."""
    return max(1.5, float(2 * time_base * rate_hz)) if time_base * rate_hz > 1 else 1.5


def _cut(frame: AudioFrame, samples: int) -> AudioFrame:
    """The frame without its first samples."""
    planes = frame.to_ndarray()
    channels = 1 if frame.format.is_planar else len(frame.layout.channels)
    shorter: NDArray[Any] = np.ascontiguousarray(planes[:, samples * channels :])
    cut = AudioFrame.from_ndarray(shorter, format=frame.format.name, layout=frame.layout.name)
    cut.sample_rate = frame.sample_rate
    return cut


# --- straight through ------------------------------------------------------------------------------------------------


def _straight_through(file: BufferedReader, plan: ChunkPlan, rate_hz: int) -> tuple[list[Samples], int]:
    """Chunks and length; a recording too long to lie in memory takes a second pass for its chunks."""
    length, total = plan.length(rate_hz), 0
    pieces: list[Samples] = []
    with _opened(file, rate_hz) as recording:
        assert recording is not None
        for piece in _resampled(_frames(recording), rate_hz):
            total += len(piece)
            if total <= _IN_MEMORY_SECONDS * rate_hz:
                pieces.append(piece)
    starts = plan.starts(total, rate_hz)
    if total <= _IN_MEMORY_SECONDS * rate_hz:
        whole = _joined(pieces)
        return [whole[start : start + length] for start in starts], total
    pieces.clear()
    kept: list[list[Samples]] = [[] for _ in starts]
    position = 0
    with _opened(file, rate_hz) as recording:
        assert recording is not None
        for piece in _resampled(_frames(recording), rate_hz):
            for chunk, start in zip(kept, starts, strict=True):
                inside = piece[max(0, start - position) : max(0, start + length - position)]
                if len(inside):
                    chunk.append(inside)
            position += len(piece)
    return [_joined(chunk) for chunk in kept], total


def _frames(recording: _Recording) -> Iterator[AudioFrame]:
    """Decoded frames from where the container stands; damaged packets are passed over."""
    for packet in _packets(recording):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _packets(recording: _Recording) -> "Iterator[Packet[AudioStream]]":
    """Up to where FFmpeg can make nothing of the bytes any more: at the latest a tag that it does not know."""
    with suppress(av.error.InvalidDataError):
        yield from recording.container.demux(recording.stream)


def _resampled(frames: Iterator[AudioFrame], rate_hz: int) -> Iterator[Samples]:
    """Mono pieces at the output's rate; a stream that changes its form half-way starts a new resampler."""
    resampler: AudioResampler | None = None
    form: tuple[object, ...] = ()
    for frame in frames:
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is not None and now != form:
            yield from _pieces(resampler, None)
            resampler = None
        if resampler is None:
            resampler, form = AudioResampler(format="s16", layout="mono", rate=rate_hz), now
        frame.pts = None  # a damaged time stamp must not move anything
        yield from _pieces(resampler, frame)
    if resampler is not None:
        yield from _pieces(resampler, None)


def _pieces(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Samples]:
    for resampled in resampler.resample(frame):
        yield resampled.to_ndarray()[0]


def _joined(pieces: list[Samples]) -> Samples:
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)


def _checked(chunks: list[Samples], total: int, plan: ChunkPlan, rate_hz: int) -> Decoded | Failure:
    length = plan.length(rate_hz)
    if total == 0:
        return Failure(stage=Stage.DECODE, reason="damaged", detail="nothing in it can be decoded")
    if total < SHORTEST_SECONDS * rate_hz:
        return Failure(stage=Stage.DECODE, reason="too short", detail=f"{total / rate_hz:.2f} s")
    if all(np.abs(chunk.astype(np.int32)).max(initial=0) < SILENCE_PEAK for chunk in chunks):
        return Failure(stage=Stage.DECODE, reason="silent", detail="nothing above -60 dBFS")
    filled = [np.resize(chunk, length) for chunk in chunks if len(chunk)]
    return Decoded(samples=np.concatenate(filled).tobytes(), chunks=len(filled), length_seconds=total / rate_hz)
