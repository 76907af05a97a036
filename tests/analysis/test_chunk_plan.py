"""Where the chunks of a recording lie."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.analysis.chunks import ChunkPlan

PLAN = ChunkPlan(chunk_seconds=5.0, chunks=6)


@given(st.integers(1, 10_000_000))
def test_chunks_lie_inside_in_order_and_never_overlap(samples: int) -> None:
    starts = PLAN.starts(samples, 16_000)
    assert 1 <= len(starts) <= 6
    assert starts[0] >= 0
    assert all(later - sooner >= 80_000 for sooner, later in pairwise(starts))
    assert len(starts) == 1 or starts[-1] + 80_000 <= samples


def test_a_song_is_heard_all_over() -> None:
    starts = PLAN.starts(240 * 16_000, 16_000)
    assert [start / 16_000 for start in starts] == [17.5, 57.5, 97.5, 137.5, 177.5, 217.5]


def test_a_plan_without_chunks_is_none() -> None:
    with pytest.raises(ValueError, match="positive"):
        ChunkPlan(chunk_seconds=0)
