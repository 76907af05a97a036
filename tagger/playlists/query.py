"""Answering a query from the catalog."""

from tagger.catalog import views
from tagger.catalog.engine import Reader
from tagger.catalog.views import Filters, TrackRow


def run(reader: Reader, filters: Filters, limit: int | None = None) -> list[TrackRow]:
    """The matching tracks, surest first."""
    with reader.connect() as connection:
        return views.find(connection, filters, limit)
