"""Answering a query from the catalog."""

from sqlalchemy import Connection

from tagger.catalog import views
from tagger.catalog.views import Filters, TrackRow


def run(connection: Connection, filters: Filters, limit: int | None = None) -> list[TrackRow]:
    """The matching tracks, surest first."""
    return views.find(connection, filters, limit)
