"""What a query costs as the library grows, counted in steps of SQLite's machine: no clock, so no noise."""

from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert

from tagger.catalog import views
from tagger.catalog.engine import open_reader, open_writer
from tagger.catalog.schema import analyses, recordings, track_values, tracks
from tagger.catalog.views import Filters
from tagger.records import Analysis, FileStat
from tagger.vocabulary import GENRES, MOODS

STEPS_A_CALL = 100


def filled(path: Path, count: int) -> Path:
    """A catalog in which every other track has the user's own genre, half of those jazz."""
    stat = FileStat(1, 1, 10, 20, 30, 1, 0, 0, 0o100644)._asdict()
    known = {"root": b"/m", "container": "mp3", "tags_digest": "d", "seen_at": 1.0}
    with open_writer(path).begin() as connection:
        numbers = range(1, count + 1)
        connection.execute(
            insert(tracks), [{**stat, **known, "id": n, "path": b"/m/%06d" % n, "identity": str(n)} for n in numbers]
        )
        connection.execute(insert(recordings), [{"identity": str(n), "codec": "mp3"} for n in numbers])
        connection.execute(insert(analyses), [{**heard(n), "identity": str(n), "analyzed_at": 1.0} for n in numbers])
        connection.execute(insert(track_values), [own_genre(n) for n in numbers if n % 2])
    return path


def heard(number: int) -> dict[str, object]:
    return asdict(
        Analysis(
            bundle_id="b",
            genre=GENRES[number % len(GENRES)],
            genre_confidence=0.5,
            mood=MOODS[number % len(MOODS)],
            mood_confidence=0.5,
            emotion="excited",
            valence=0.5,
            arousal=0.5,
            dominance=0.5,
            probabilities={},
            embedding=b"",
            chunks=6,
        )
    )


def own_genre(number: int) -> dict[str, object]:
    label = "jazz" if number % 4 == 1 else "rock"
    names = {"field": "genre", "label": label, "value": label.title(), "word": label}
    return {**names, "track_id": number, "position": 0, "vocabulary": 1, "ours": False}


def cost(catalog: Path, filters: Filters) -> tuple[int, int, int]:
    """(tracks found, steps in hundreds, statements)."""
    steps, statements = 0, 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def statement(*_: object) -> None:
        nonlocal statements
        statements += 1

    with open_reader(catalog).connect() as connection:
        assert isinstance(connection, Connection)
        connection.connection.dbapi_connection.set_progress_handler(step, STEPS_A_CALL)  # type: ignore[union-attr]
        event.listen(connection, "before_cursor_execute", statement)
        found = len(views.find(connection, filters, None))
    return found, steps, statements


@pytest.mark.parametrize(
    "filters",
    [Filters(), Filters(genre_label="jazz"), Filters(genre_word="jazz"), Filters(mood="happy", genre_label="jazz")],
    ids=["all", "genre", "word", "mood-and-genre"],
)
def test_the_cost_of_a_query_grows_with_the_library_and_no_faster(tmp_path: Path, filters: Filters) -> None:
    found, steps, statements = cost(filled(tmp_path / "small" / "catalog.sqlite", 400), filters)
    found_of_more, steps_of_more, statements_of_more = cost(filled(tmp_path / "big" / "catalog.sqlite", 3200), filters)
    assert found > 5
    assert found_of_more > 6 * found
    assert steps_of_more < 12 * steps  # eight times as many tracks; track by track it would be 64
    assert max(statements, statements_of_more) <= 2 + found_of_more // 400
