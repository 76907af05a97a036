import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.tags import splice
from tagger.tags.formats.base import Copy, Literal, Plan, Segment


def test_tidy_joins_neighbours_and_drops_empty_segments() -> None:
    segments = (Literal(b"a"), Literal(b""), Literal(b"b"), Copy(0, 2), Copy(2, 3), Copy(9, 0), Copy(7, 1))

    assert splice.tidy(segments) == (Literal(b"ab"), Copy(0, 5), Copy(7, 1))


@st.composite
def _source_and_plan(draw: st.DrawFn, source: bytes | None = None) -> tuple[bytes, Plan]:
    if source is None:
        source = draw(st.binary(max_size=64))
    segments: list[Segment] = []
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            segments.append(Literal(draw(st.binary(max_size=8))))
        else:
            offset = draw(st.integers(0, len(source)))
            segments.append(Copy(offset, draw(st.integers(0, len(source) - offset))))
    return source, tuple(segments)


@given(_source_and_plan())
def test_the_inverse_rebuilds_the_old_file_from_the_new(case: tuple[bytes, Plan]) -> None:
    old, plan = case
    record = splice.inverse(plan, len(old), lambda offset, length: old[offset : offset + length])

    assert _apply(record, _apply(plan, old)) == old


@given(st.data())
def test_composed_records_lead_from_the_third_file_to_the_first(data: st.DataObject) -> None:
    first, plan = data.draw(_source_and_plan())
    second = _apply(plan, first)
    _, next_plan = data.draw(_source_and_plan(source=second))
    third = _apply(next_plan, second)
    older = splice.inverse(plan, len(first), lambda offset, length: first[offset : offset + length])
    newer = splice.inverse(next_plan, len(second), lambda offset, length: second[offset : offset + length])

    assert _apply(splice.compose(older, newer), third) == first


@given(_source_and_plan())
def test_records_come_back_from_their_encoding(case: tuple[bytes, Plan]) -> None:
    _, record = case

    assert splice.decode(splice.encode(record)) == record


@pytest.mark.parametrize("spoil", [lambda e: b"", lambda e: e[:-3], lambda e: b"TU9" + e[3:], lambda e: e[:3] + b"x"])
def test_damaged_records_are_named(spoil: Callable[[bytes], bytes]) -> None:
    encoded = splice.encode((Literal(b"abc"), Copy(5, 6)))

    with pytest.raises(splice.DamagedRecordError):
        splice.decode(spoil(encoded))


def test_a_plan_is_written_and_hashed_alike(tmp_path: Path) -> None:
    old = os.urandom(3_000_000)
    source, target = tmp_path / "old", tmp_path / "new"
    source.write_bytes(old)
    plan = (Literal(b"head"), Copy(2_000_000, 1_000_000), Copy(10, 2_500_000), Literal(b"tail"))
    with source.open("rb") as source_file, target.open("wb") as target_file:
        splice.write_plan(plan, source_file.fileno(), target_file.fileno())
        streamed = b"".join(splice.blocks(plan, source_file.fileno()))

    assert target.read_bytes() == streamed == _apply(plan, old)
    assert splice.size(plan) == len(streamed)


def test_without_the_kernel_copy_the_bytes_are_read_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    test_a_plan_is_written_and_hashed_alike(tmp_path)


def test_a_source_that_shrank_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "old"
    source.write_bytes(b"short")
    with (
        source.open("rb") as source_file,
        (tmp_path / "new").open("wb") as target,
        pytest.raises(OSError, match="ended"),
    ):
        splice.write_plan((Copy(0, 100),), source_file.fileno(), target.fileno())


def _apply(plan: Plan, source: bytes) -> bytes:
    return b"".join(
        segment.data if isinstance(segment, Literal) else source[segment.offset : segment.offset + segment.length]
        for segment in plan
    )


@pytest.mark.parametrize("moved_bytes", [0, 4096, 5000])
@pytest.mark.parametrize("offset", [0, 100, 4096, 8191])
def test_ranges_across_blocks_arrive_whole(tmp_path: Path, offset: int, moved_bytes: int) -> None:
    old = os.urandom(20_000)
    plan = (Literal(bytes(offset + moved_bytes)), Copy(offset, 11_111), Literal(b"x"), Copy(3, 5))
    (tmp_path / "old").write_bytes(old)
    with (tmp_path / "old").open("rb") as source, (tmp_path / "new").open("wb") as target:
        splice.write_plan(plan, source.fileno(), target.fileno())
    assert (tmp_path / "new").read_bytes() == _apply(plan, old)


@pytest.mark.parametrize(
    ("record", "right"),
    [
        ((Literal(b"old "), Copy(4, 6)), True),
        ((Literal(b"odd "), Copy(4, 6)), False),
        ((Literal(b"old "), Copy(3, 6)), False),
        ((Literal(b"old "), Copy(4, 5)), False),
        ((Literal(b"old "), Copy(4, 6), Literal(b"!")), False),
    ],
)
def test_a_record_that_rebuilds_another_file_is_found_out(record: Plan, right: bool, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old audio!")
    new.write_bytes(b"new audio!")
    with old.open("rb") as before, new.open("rb") as after:
        found = splice.rebuilt_hash(record, after.fileno(), before.fileno(), 10)
    assert found == (hashlib.sha256(b"old audio!").hexdigest() if right else None)
