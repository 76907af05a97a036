"""Which parts of a recording are listened to. Standard library only: a bundle's plan is read without torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlan:
    """A number of equally long chunks, spread over the recording; part of the bundle, whose calibration rests on it."""

    chunk_seconds: float = 5.0
    chunks: int = 6

    def __post_init__(self) -> None:
        if self.chunk_seconds <= 0 or self.chunks < 1:
            raise ValueError(f"a plan needs a positive length and at least one chunk, got {self}")

    def length(self, rate_hz: int) -> int:
        """Samples of one chunk."""
        return round(self.chunk_seconds * rate_hz)

    def starts(self, length_samples: int, rate_hz: int) -> tuple[int, ...]:
        """First sample of each chunk, ascending, for a recording of `length_samples`.

        The recording is cut into as many equal parts as there are chunks, each chunk sits in the middle of its part;
        a recording shorter than all chunks together gives fewer of them, end to end, at least one.
        """
        chunk = self.length(rate_hz)
        count = max(1, min(self.chunks, length_samples // chunk))
        part = length_samples / count
        return tuple(max(0, round(part * (number + 0.5) - chunk / 2)) for number in range(count))
