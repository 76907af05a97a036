"""Dates, times and ages, as users write them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tagger.cli.times import moment
from tagger.records import TaggerError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-31T20:00:00Z", "2026-01-31T20:00:00Z"),
        ("2026-01-31T20:00+02:00", "2026-01-31T18:00:00Z"),
        ("2026-01-31 20:00:00.9+00:00", "2026-01-31T20:00:00Z"),
        ("0990-01-31T20:00:00Z", "0990-01-31T20:00:00Z"),
    ],
)
def test_times(text: str, meant: str) -> None:
    assert moment(text) == meant


def test_a_time_without_a_zone_is_of_the_clock_here() -> None:
    assert moment("2026-01-31") == datetime(2026, 1, 31).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("text", "hours"), [("12h", 12), ("90d", 2160), ("4w", 672)])
def test_ages(text: str, hours: int) -> None:
    when = datetime.fromisoformat(moment(text))
    assert abs(datetime.now(UTC) - timedelta(hours=hours) - when) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "90", "90m", "-3d", "9" * 30 + "d", "2026-13-01", "0001-01-01T00:00+09:00"]
)
def test_what_is_no_time_is_told_what_one_is(text: str) -> None:
    with pytest.raises(TaggerError, match=re.escape("2026-01-31T20:00")):
        moment(text)
