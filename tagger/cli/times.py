"""Times as users write them."""

import re
from datetime import UTC, datetime, timedelta

from tagger.records import TaggerError

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> str:
    """A date, a time or an age as the journal's ISO 8601 in UTC; without a zone it is meant as the clock here shows it.

    Raises TaggerError saying what a time looks like.
    """
    try:
        age = re.fullmatch(r"(\d+)\s*([hdw])", text.strip())
        if age:
            when = datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        else:
            when = datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise TaggerError(
            f"{text} is no time: write 2026-01-31, 2026-01-31T20:00, or an age such as 12h, 90d, 4w"
        ) from None
    return when.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
