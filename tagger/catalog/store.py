"""Every write into the catalog; one function a fact, each inside a transaction that the caller opened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, true, update
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger import vocabulary
from tagger.catalog import journal
from tagger.catalog.schema import analyses, bundles, decisions, failures, recordings, roots, track_values, tracks
from tagger.ownership import equal
from tagger.records import Analysis, Decision, Failure, Field, FileStat, Inspection, Stage, TagValues

RETRY_S = (3_600.0, 6 * 3_600.0, 24 * 3_600.0)
"""How long a failure waits for its next attempt, by the number of attempts; the last holds from then on."""


def put_root(connection: Connection, path: bytes, device: int) -> None:
    """A watched folder, and the device that it lies on."""
    statement = upsert(roots).values(path=path, device=device)
    connection.execute(statement.on_conflict_do_update(index_elements=["path"], set_={"device": device}))


def root_scanned(connection: Connection, path: bytes, now: float) -> None:
    connection.execute(update(roots).where(roots.c.path == path).values(scanned_at=now))


def put_inspection(connection: Connection, inspection: Inspection, root: bytes, now: float) -> int:
    """The track of an inspected file, and its id.

    A new path takes over the row of a vanished one: where that row is missing and has the identity, or has device,
    inode and identity. The journal's rows follow.
    """
    _put_recording(connection, inspection)
    track = connection.execute(select(tracks).where(tracks.c.path == inspection.path)).one_or_none()
    if track is None and (moved := _moved_from(connection, inspection)) is not None:
        track_id, old_path = moved
        connection.execute(update(tracks).where(tracks.c.id == track_id).values(path=inspection.path))
        journal.move(connection, old_path, inspection.path, inspection.identity)
        track = connection.execute(select(tracks).where(tracks.c.id == track_id)).one()
    values = _track_values(inspection, root, now)
    if track is None:
        track_id = int(connection.execute(insert(tracks).values(values)).inserted_primary_key[0])  # type: ignore[index]
    else:
        track_id = track.id
        connection.execute(update(tracks).where(tracks.c.id == track_id).values(values))
        connection.execute(delete(failures).where(failures.c.track_id == track_id, _stale(track, inspection)))
    _put_values(connection, track_id, inspection)
    return track_id


def put_unreadable(
    connection: Connection, path: bytes, root: bytes, stat: FileStat, failure: Failure, now: float
) -> int:
    """A track that could not even be inspected: a row with its failure, so that it is seen and tried again.

    What is known of it from before, its analysis with it, stays until it can be read.
    """
    track_id = connection.execute(select(tracks.c.id).where(tracks.c.path == path)).scalar_one_or_none()
    values = stat._asdict() | {"path": path, "root": root, "seen_at": now, "missing_since": None}
    if track_id is None:
        values |= {"identity": "", "container": "", "tags_digest": ""}
        track_id = int(connection.execute(insert(tracks).values(values)).inserted_primary_key[0])  # type: ignore[index]
    else:
        connection.execute(update(tracks).where(tracks.c.id == track_id).values(values))
    put_failure(connection, track_id, failure, now)
    return track_id


def put_bundle(
    connection: Connection, bundle_id: str, name: str, version: str, labels: Mapping[str, Sequence[str]], card: str
) -> None:
    values = {
        "id": bundle_id,
        "name": name,
        "version": version,
        "labels": {k: list(v) for k, v in labels.items()},
        "card": card,
    }
    connection.execute(upsert(bundles).values(values).on_conflict_do_nothing())


def put_analysis(connection: Connection, identity: str, analysis: Analysis, length_seconds: float, now: float) -> None:
    """What a bundle heard in a recording; it takes the place of what was heard before, by this bundle or another.

    So a catalog that is heard anew answers from the older analysis until this moment, and never grows.
    """
    values = asdict(analysis) | {"identity": identity, "analyzed_at": now}
    values["probabilities"] = {head: dict(labels) for head, labels in analysis.probabilities.items()}
    connection.execute(delete(analyses).where(analyses.c.identity == identity))
    connection.execute(insert(analyses).values(values))
    connection.execute(
        update(recordings).where(recordings.c.identity == identity).values(length_seconds=length_seconds)
    )
    heard = select(tracks.c.id).where(tracks.c.identity == identity)
    connection.execute(delete(failures).where(failures.c.track_id.in_(heard), failures.c.stage != Stage.WRITE))


def put_failure(connection: Connection, track_id: int, failure: Failure, now: float, *, final: bool = False) -> None:
    """One more failed attempt at a stage; `final`: not to be tried before the file changes."""
    where = (failures.c.track_id == track_id) & (failures.c.stage == failure.stage)
    attempts = connection.execute(select(failures.c.attempts).where(where)).scalar_one_or_none() or 0
    values = {
        "track_id": track_id,
        "stage": failure.stage,
        "reason": failure.reason,
        "detail": failure.detail,
        "attempts": attempts + 1,
        "next_attempt": None if final else now + RETRY_S[min(attempts, len(RETRY_S) - 1)],
    }
    connection.execute(
        upsert(failures).values(values).on_conflict_do_update(index_elements=["track_id", "stage"], set_=values)
    )


def clear_failure(connection: Connection, track_id: int, stage: Stage) -> None:
    connection.execute(delete(failures).where(failures.c.track_id == track_id, failures.c.stage == stage))


def put_decision(
    connection: Connection,
    track_id: int,
    decision: Decision,
    *,
    bundle_id: str,
    policy_digest: str,
    program_version: str,
) -> None:
    """What was decided for the track's state as it stands now, vetoes included."""
    track = connection.execute(select(tracks).where(tracks.c.id == track_id)).one()
    values = {
        "track_id": track_id,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "notes": dict(decision.notes),
        "bundle_id": bundle_id,
        "policy_digest": policy_digest,
        "tags_digest": track.tags_digest,
        "vetoes": ",".join(sorted(journal.vetoed(connection, track.path, track.identity))),
        "program_version": program_version,
        "ctime_ns": track.ctime_ns,
        "nlink": track.nlink,
    }
    connection.execute(upsert(decisions).values(values).on_conflict_do_update(index_elements=["track_id"], set_=values))


def forget_decision(connection: Connection, track_id: int) -> None:
    """The track is decided anew."""
    connection.execute(delete(decisions).where(decisions.c.track_id == track_id))


def mark_missing(
    connection: Connection, track_ids: Iterable[int], now: float, *, not_seen_since: float | None = None
) -> int:
    """How many tracks are missing from now on; not those that were seen since a time."""
    rows, marked = list(track_ids), 0
    unseen = true() if not_seen_since is None else tracks.c.seen_at < not_seen_since
    for start in range(0, len(rows), 500):
        part = tracks.c.id.in_(rows[start : start + 500]) & tracks.c.missing_since.is_(None) & unseen
        marked += connection.execute(update(tracks).where(part).values(missing_since=now)).rowcount
    return marked


def mark_present(connection: Connection, track_id: int, now: float) -> None:
    connection.execute(update(tracks).where(tracks.c.id == track_id).values(missing_since=None, seen_at=now))


def prune_missing(connection: Connection, before: float) -> int:
    """Forgets tracks that are missing since before a time; the journal keeps its rows."""
    return connection.execute(delete(tracks).where(tracks.c.missing_since < before)).rowcount


def _put_recording(connection: Connection, inspection: Inspection) -> None:
    values = {
        "identity": inspection.identity,
        "codec": inspection.codec,
        "length_seconds": inspection.length_seconds,
        "channels": inspection.channels,
    }
    connection.execute(upsert(recordings).values(values).on_conflict_do_nothing())


def _moved_from(connection: Connection, inspection: Inspection) -> tuple[int, bytes] | None:
    """The vanished track that this file was."""
    stat = inspection.stat
    gone = tracks.c.missing_since.is_not(None)
    same_inode = (tracks.c.device == stat.device) & (tracks.c.inode == stat.inode)
    query = (
        select(tracks.c.id, tracks.c.path)
        .where(tracks.c.identity == inspection.identity, gone | (same_inode & (stat.nlink == 1)))
        .order_by(same_inode.desc(), tracks.c.id)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.id, row.path)


def _stale(track: Row[Any], inspection: Inspection) -> ColumnElement[bool]:
    """Failures that a changed recording leaves behind; a failed inspection ends with a successful one."""
    if track.identity != inspection.identity:
        return true()
    return failures.c.stage == Stage.INSPECT


def _track_values(inspection: Inspection, root: bytes, now: float) -> dict[str, object]:
    tags = inspection.tags
    return inspection.stat._asdict() | {
        "path": inspection.path,
        "root": root,
        "identity": inspection.identity,
        "container": inspection.container,
        "tags_digest": tags.digest(),
        "artist": tags.artist,
        "title": tags.title,
        "album": tags.album,
        "year": tags.year,
        "seen_at": now,
        "missing_since": None,
    }


def _put_values(connection: Connection, track_id: int, inspection: Inspection) -> None:
    """The genres and moods that stand in the file, each with the labels that it means and whose it is."""
    written = journal.history(connection, inspection.path, inspection.identity).written
    rows = []
    for field, values in ((Field.GENRE, inspection.tags.genre), (Field.MOOD, inspection.tags.mood)):
        by_another = not written and _own(inspection.tags, field) == _folded(values)
        ours = bool(values) and (equal(values, written.get(field, ())) or by_another)
        one = {"track_id": track_id, "field": field, "vocabulary": vocabulary.VERSION, "ours": ours}
        for position, value in enumerate(values):
            labels = vocabulary.canonical_genres(value) if field is Field.GENRE else ()
            word = vocabulary.normalize(value)
            rows += [
                {**one, "position": position, "label": label, "value": value, "word": word} for label in labels or ("",)
            ]
        for position, word in enumerate(_further_words(values), start=len(values)):
            rows.append({**one, "position": position, "label": "", "value": "", "word": word})
    connection.execute(delete(track_values).where(track_values.c.track_id == track_id))
    if rows:
        connection.execute(insert(track_values), rows)


def _further_words(values: Sequence[str]) -> list[str]:
    """By which values that are lists ("Bebop; Live") are found as well."""
    known = {vocabulary.normalize(value) for value in values}
    return [word for value in values for word in vocabulary.parts(value) if word not in known]


def _own(tags: TagValues, field: Field) -> tuple[str, ...]:
    """The file's own TAGGER_* labels: without a journal row, a standard value equal to them is ours."""
    return _folded(tags.own.get(f"TAGGER_{field.upper()}", ()))


def _folded(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(vocabulary.normalize(value) for value in values)
