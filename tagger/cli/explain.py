"""`tagger explain`. Starts fast: nothing here imports torch, av, numpy, alembic or mutagen."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.output import pairs, write_json, write_line
from tagger.records import JournalRow, TaggerError

if TYPE_CHECKING:
    from tagger.catalog.views import Explanation


def explain(
    path: Annotated[Path, typer.Argument(help="A file under one of the roots.", show_default=False, readable=False)],
    json: options.Json = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Say all that is known of one file: what was heard, what was written or why not, and its history.

    \b
    Example:
      tagger explain ~/Music/album/song.flac
    """
    settings = options.load(catalog, config)
    from tagger.catalog import engine, views

    wanted = os.fsencode(options.absolute(path))
    with engine.open_reader(settings.catalog).connect() as connection:
        explanation = views.explain(connection, wanted)
        roots = (*views.roots(connection), *map(os.fsencode, settings.roots))
    facts = _facts(explanation) if explanation else _passed_over(wanted, roots, settings.exclude)
    if json:
        write_json(facts)
    else:
        _tell(facts)


def _facts(explanation: "Explanation") -> dict[str, object]:
    from tagger.playlists import formats

    decision = explanation.decision
    return {
        **formats.as_object(explanation.track),
        "probabilities": {head: dict(labels) for head, labels in explanation.probabilities.items()},
        "failures": [asdict(failure) for failure in explanation.failures],
        "decision": decision
        and {"outcome": str(decision.outcome), "reason": decision.reason, "notes": dict(decision.notes)},
        "journal": [_journal_entry(row) for row in explanation.journal],
    }


def _journal_entry(row: JournalRow) -> dict[str, object]:
    return {
        "id": row.id,
        "at": row.at,
        "kind": str(row.kind),
        "state": str(row.state),
        "written": {name: list(values) for name, values in row.prepared.written.items()},
        "replaced": {name: list(values) for name, values in row.prepared.replaced.items()},
        "bundle_id": row.prepared.bundle_id,
    }


def _passed_over(path: bytes, roots: tuple[bytes, ...], exclude: tuple[str, ...]) -> dict[str, object]:
    """What to say of a path that is no track: why the scan passes it over, or that it has not come by yet."""
    from tagger.library import walk

    if not any(path == root or path.startswith(root.rstrip(b"/") + b"/") for root in roots):
        raise TaggerError(f"{os.fsdecode(path)}: lies under none of the roots; tagger scan FOLDER takes a folder in")
    reason = walk.passed_over(path, roots, exclude)
    outcome = "passed over" if reason else "not scanned"
    return {
        "path": os.fsdecode(path),
        "probabilities": {},
        "failures": [],
        "decision": {"outcome": outcome, "reason": reason or "the next scan takes it", "notes": {}},
        "journal": [],
    }


def _tell(facts: dict[str, object]) -> None:
    nested = ("probabilities", "failures", "decision", "journal")
    pairs({name: value for name, value in facts.items() if name not in nested})
    probabilities, failures, decision, journal = (facts[name] for name in nested)
    if isinstance(decision, dict):
        write_line("")
        pairs({"decision": decision["outcome"], "reason": decision["reason"] or "-", **decision["notes"]})
    if isinstance(probabilities, dict):
        for head, labels in probabilities.items():
            surest = sorted(labels.items(), key=lambda item: -item[1])[:5]
            pairs({f"{head}, surest": ", ".join(f"{label} {value:.2f}" for label, value in surest)})
    for failure in failures if isinstance(failures, list) else ():
        pairs({"failure": f"{failure['stage']}: {failure['reason']} {failure['detail']}".strip()})
    for entry in journal if isinstance(journal, list) else ():
        fields = ", ".join(f"{name} = {'; '.join(values)}" for name, values in entry["written"].items())
        pairs({entry["at"]: f"{entry['kind']} ({entry['state']}): {fields}"})
