"""`tagger status`. Starts fast: nothing here imports torch, av, numpy, alembic or mutagen."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tagger.cli import options
from tagger.cli.output import pairs, size_text, write_json


def status(json: options.Json = False, catalog: options.Catalog = None, config: options.Config = None) -> None:
    """Say what the catalog holds, what is still to do, what failed, and whether a daemon runs.

    \b
    Example:
      tagger status
    """
    settings = options.load(catalog, config)
    from tagger.catalog import engine
    from tagger.catalog.status import status as status_of
    from tagger.daemon import lock

    with engine.open_reader(settings.catalog).connect() as connection:
        facts = asdict(status_of(connection))
    facts = {"catalog": str(settings.catalog), "daemon": lock.holder(settings.catalog), **facts}
    if json:
        write_json(facts)
        return
    daemon = f"running, process {facts['daemon']}" if facts["daemon"] else "not running"
    scans = {root: _when(at) for root, at in facts["last_scan"].items()}
    pairs({**facts, "daemon": daemon, "last_scan": scans, "journal": _cost(facts["journal"])})


def _cost(journal: Mapping[str, Any]) -> str:
    since = f" since {journal['oldest']}" if journal["oldest"] else ""
    return f"{journal['writes']} writes{since}, {size_text(journal['undo_bytes'])} of undo records"


def _when(at: float | None) -> str:
    return "not finished" if at is None else f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M}"
