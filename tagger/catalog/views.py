"""Every question to the catalog; one function a question, values out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, Select, and_, case, exists, func, or_, select, true

from tagger.catalog import journal
from tagger.catalog.schema import analyses, decisions, failures, recordings, track_values, tracks, vetoes
from tagger.catalog.schema import roots as roots_table
from tagger.records import NOT_HEARD, Analysis, Decision, Failure, Field, FileStat, JournalRow, Outcome, Stage

_PARAMETERS = 500
"""Values in one statement at most; SQLite's own limit is far above."""


class Standing(NamedTuple):
    """What a scan compares a file on the disk with. A tuple of little: each is read for every file of the library."""

    track_id: int
    path: bytes
    root: bytes
    missing_since: float | None
    stat: tuple[int, ...]  # as FileStat

    def equals(self, stat: FileStat) -> bool:
        """Whether the file is there in this very state."""
        return self.stat == stat and self.missing_since is None


class KnownFile(NamedTuple):
    """A track as the catalog knows it."""

    track_id: int
    path: bytes
    root: bytes
    identity: str
    missing_since: float | None
    stat: FileStat

    @property
    def missing(self) -> bool:
        return self.missing_since is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A track that work is due for."""

    track_id: int
    path: bytes
    root: bytes
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a query asks for; None: anything."""

    mood: str | None = None
    emotion: str | None = None
    genre_label: str | None = None  # one of the vocabulary's
    genre_word: str | None = None  # or a kind of music below one, normalized
    min_confidence: float = 0.0  # of each predicted field that is asked for
    all_audio: bool = False  # also what is no music


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRow:
    """A track as queries show it; predictions None where nothing was heard."""

    path: bytes
    artist: str | None
    title: str | None
    album: str | None
    year: int | None
    length_seconds: float | None
    user_genres: tuple[str, ...]
    genre: str | None
    genre_confidence: float | None
    mood: str | None
    mood_confidence: float | None
    emotion: str | None
    valence: float | None
    arousal: float | None
    dominance: float | None
    bundle_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    track: TrackRow
    probabilities: Mapping[str, Mapping[str, float]]
    failures: tuple[Failure, ...]
    decision: Decision | None
    journal: tuple[JournalRow, ...]


def roots(connection: Connection) -> tuple[bytes, ...]:
    """The folders that were ever scanned, ascending."""
    return tuple(path for (path,) in connection.execute(select(roots_table.c.path).order_by(roots_table.c.path)))


def device_of(connection: Connection, root: bytes) -> int | None:
    """The device that a root lay on when it was last scanned, None for a new root."""
    return connection.execute(select(roots_table.c.device).where(roots_table.c.path == root)).scalar_one_or_none()


def due_for_inspection(connection: Connection, now: float) -> set[int]:
    """Tracks whose inspection failed and whose time to be tried again has come."""
    due = (failures.c.stage == Stage.INSPECT) & (failures.c.next_attempt <= now)
    return {track_id for (track_id,) in connection.execute(select(failures.c.track_id).where(due))}


def was_scanned(connection: Connection, root: bytes) -> bool:
    """Whether a scan that may write has been through a root."""
    query = select(roots_table.c.scanned_at).where(roots_table.c.path == root)
    return connection.execute(query).scalar_one_or_none() is not None


def changes(connection: Connection) -> int:
    """How many rows this process has written: the same number again means that nothing was written in between."""
    return int(connection.execute(select(func.total_changes())).scalar_one())


def standing(connection: Connection, root: bytes, after: bytes, limit: int) -> list[Standing]:
    """The tracks below a root that follow a path, those of roots inside it too, path ascending."""
    columns = (tracks.c[name] for name in ("id", "path", "root", "missing_since", *FileStat._fields))
    query = select(*columns).where(_below(root, after)).order_by(tracks.c.path).limit(limit)
    rows = connection.execute(query).all()
    return [Standing(track, path, of, missing_since, tuple(stat)) for track, path, of, missing_since, *stat in rows]


def known_files(connection: Connection, root: bytes) -> list[KnownFile]:
    """The tracks below a root, those of roots inside it too, path ascending."""
    rows = connection.execute(_known_query().where(_below(root)).order_by(tracks.c.path)).all()
    return [_known(row) for row in rows]


def _below(root: bytes, after: bytes = b"") -> ColumnElement[bool]:
    folder = root.rstrip(b"/")
    return (tracks.c.path > max(after, folder + b"/")) & (tracks.c.path < folder + b"0")  # "0" comes right behind "/"


def known_file(connection: Connection, path: bytes) -> KnownFile | None:
    row = connection.execute(_known_query().where(tracks.c.path == path)).one_or_none()
    return None if row is None else _known(row)


def tracks_of(connection: Connection, identity: str) -> list[KnownFile]:
    """The present tracks of a recording, path ascending."""
    query = _known_query().where(tracks.c.identity == identity, tracks.c.missing_since.is_(None))
    return [_known(row) for row in connection.execute(query.order_by(tracks.c.path))]


def due_for_listening(
    connection: Connection,
    bundle_id: str,
    now: float,
    after: int,
    limit: int,
    only: Sequence[bytes] | None = None,
) -> list[Due]:
    """Present tracks whose recording has no analysis by the bundle, without a failure that waits; id ascending.

    `only`: of these few paths.
    """
    heard = exists().where(analyses.c.identity == tracks.c.identity, analyses.c.bundle_id == bundle_id)
    waiting = exists().where(
        failures.c.track_id == tracks.c.id,
        failures.c.stage != Stage.WRITE,
        or_(failures.c.next_attempt.is_(None), failures.c.next_attempt > now),
    )
    query = (
        select(tracks.c.id, tracks.c.path, tracks.c.root, tracks.c.identity)
        .where(tracks.c.id > after, tracks.c.missing_since.is_(None), tracks.c.identity != "", ~heard, ~waiting)
        .where(_is_one_of(only))
        .order_by(tracks.c.id)
        .limit(limit)
    )
    return [_due(row) for row in connection.execute(query)]


def due_for_decision(
    connection: Connection,
    bundle_id: str,
    policy_digest: str,
    program_version: str,
    now: float,
    after: int,
    limit: int,
    only: Sequence[bytes] | None = None,
) -> list[Due]:
    """Present tracks that the bundle has heard and whose last decision was made on another state; id ascending.

    `only`: of these few paths.
    """
    refused = decisions.c.outcome == Outcome.REFUSED
    stands = and_(
        decisions.c.outcome != Outcome.DRY_RUN,
        decisions.c.bundle_id == bundle_id,
        decisions.c.policy_digest == policy_digest,
        decisions.c.tags_digest == tracks.c.tags_digest,
        decisions.c.vetoes == _vetoes_of_track(),
        ~and_(
            refused,
            or_(
                decisions.c.program_version != program_version,
                decisions.c.ctime_ns != tracks.c.ctime_ns,
                decisions.c.nlink != tracks.c.nlink,
            ),
        ),
    )
    waiting = exists().where(
        failures.c.track_id == tracks.c.id,
        failures.c.stage == Stage.WRITE,
        or_(failures.c.next_attempt.is_(None), failures.c.next_attempt > now),
    )
    heard = exists().where(analyses.c.identity == tracks.c.identity, analyses.c.bundle_id == bundle_id)
    query = (
        select(tracks.c.id, tracks.c.path, tracks.c.root, tracks.c.identity)
        .outerjoin(decisions, decisions.c.track_id == tracks.c.id)
        .where(tracks.c.id > after, tracks.c.missing_since.is_(None), heard, ~waiting)
        .where(or_(decisions.c.track_id.is_(None), ~stands), _is_one_of(only))
        .order_by(tracks.c.id)
        .limit(limit)
    )
    return [_due(row) for row in connection.execute(query)]


def _is_one_of(paths: Sequence[bytes] | None) -> ColumnElement[bool]:
    return true() if paths is None else tracks.c.path.in_(paths)


def analysis_of(connection: Connection, identity: str, bundle_id: str) -> Analysis | None:
    query = select(analyses).where(analyses.c.identity == identity, analyses.c.bundle_id == bundle_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    return Analysis(**{name: value for name, value in row.items() if name not in ("identity", "analyzed_at")})


def find(connection: Connection, filters: Filters, limit: int | None) -> list[TrackRow]:
    """Tracks that are not missing and match, surest first, then by path.

    A genre matches the file's own where the user has one, else the prediction; a value that we wrote is the model's.
    """
    query = _track_query().where(tracks.c.missing_since.is_(None))
    if not filters.all_audio:
        query = query.where(_may_be_music())
    sureness: list[ColumnElement[float]] = []
    if filters.mood:
        query = query.where(analyses.c.mood == filters.mood, analyses.c.mood_confidence >= filters.min_confidence)
        sureness.append(analyses.c.mood_confidence)
    if filters.emotion:
        query = query.where(analyses.c.emotion == filters.emotion)
    if filters.genre_label or filters.genre_word:
        query = query.where(_genre_matches(filters))
        sureness.append(case((_has_user_genre(), 1.0), else_=analyses.c.genre_confidence))
    surest = [func.min(*sureness).desc()] if len(sureness) > 1 else [part.desc() for part in sureness]
    rows = connection.execute(query.order_by(*surest, tracks.c.path).limit(limit)).all()
    genres = _user_genres(connection, [row.id for row in rows])
    return [_track(row, genres.get(row.id, ())) for row in rows]


def explain(connection: Connection, path: bytes) -> Explanation | None:
    """All that is known of one file; None where it is no track."""
    query = _track_query().add_columns(tracks.c.identity, analyses.c.probabilities)
    row = connection.execute(query.where(tracks.c.path == path)).one_or_none()
    if row is None:
        return None
    failed = connection.execute(select(failures).where(failures.c.track_id == row.id).order_by(failures.c.stage))
    decided = connection.execute(select(decisions).where(decisions.c.track_id == row.id)).one_or_none()
    return Explanation(
        track=_track(row, _user_genres(connection, [row.id]).get(row.id, ())),
        probabilities=row.probabilities or {},
        failures=tuple(Failure(stage=Stage(f.stage), reason=f.reason, detail=f.detail) for f in failed),
        decision=None if decided is None else _decision(decided),
        journal=tuple(journal.rows_for(connection, path, row.identity)),
    )


def _known_query() -> Select[Any]:
    names = ("id", "path", "root", "identity", "missing_since", *FileStat._fields)
    return select(*(tracks.c[name] for name in names))


def _known(row: Sequence[Any]) -> KnownFile:
    track_id, path, root, identity, missing_since = row[:5]
    return KnownFile(track_id, path, root, identity, missing_since, FileStat._make(row[5:]))


def _decision(row: Row[Any]) -> Decision:
    return Decision(outcome=Outcome(row.outcome), reason=row.reason, notes=row.notes)


def _due(row: Any) -> Due:
    return Due(track_id=row.id, path=row.path, root=row.root, identity=row.identity)


def _vetoes_of_track() -> ScalarSelect[str]:
    """The vetoed fields of a track as one text, sorted, as decisions store them."""
    fields = select(vetoes.c.field).where(journal.belongs_to_track()).correlate(tracks).distinct()
    ordered = fields.order_by(vetoes.c.field).subquery()
    return select(func.coalesce(func.group_concat(ordered.c.field, ","), "")).scalar_subquery()


def _track_query() -> Select[Any]:
    """Tracks with the latest analysis of their recordings."""
    latest = (
        select(analyses.c.bundle_id)
        .where(analyses.c.identity == tracks.c.identity)
        .order_by(analyses.c.analyzed_at.desc())
        .limit(1)
        .correlate(tracks)
        .scalar_subquery()
    )
    own = [tracks.c[name] for name in ("id", "path", "artist", "title", "album", "year")]
    heard = [column for column in analyses.columns if column.name in TrackRow.__slots__]
    return (
        select(*own, recordings.c.length_seconds, *heard)
        .outerjoin(recordings, recordings.c.identity == tracks.c.identity)
        .outerjoin(analyses, and_(analyses.c.identity == tracks.c.identity, analyses.c.bundle_id == latest))
    )


def _may_be_music() -> ColumnElement[bool]:
    """Neither heard to be no music, nor too short or silent to be heard."""
    unheard = select(failures.c.track_id).where(failures.c.reason.in_(NOT_HEARD))
    return and_(analyses.c.is_music.is_not(False), tracks.c.id.not_in(unheard))


def _genre_matches(filters: Filters) -> ColumnElement[bool]:
    """The user's own genre, or the prediction where there is none."""
    asked = (
        track_values.c.label == filters.genre_label
        if filters.genre_label
        else track_values.c.word == filters.genre_word
    )
    own = tracks.c.id.in_(_tracks_with_user_genre().where(asked))
    predicted = and_(
        ~_has_user_genre(),
        analyses.c.genre == (filters.genre_label or ""),
        analyses.c.genre_confidence >= filters.min_confidence,
    )
    return or_(own, predicted)


def _user_genre(field: ColumnElement[str] = track_values.c.field) -> ColumnElement[bool]:
    return and_(field == Field.GENRE, track_values.c.ours.is_(False), track_values.c.word.not_in(_SAYS_NOTHING))


_SAYS_NOTHING = ("", "unknown", "other", "none", "genre")
"""Normalized values of a genre field in which nobody has said anything."""


def _has_user_genre() -> ColumnElement[bool]:
    return tracks.c.id.in_(_tracks_with_user_genre())


def _tracks_with_user_genre() -> Select[Any]:
    """Asked once for all tracks: asked track by track, SQLite may walk every genre of the library for each."""
    return select(track_values.c.track_id).where(_user_genre())


def _user_genres(connection: Connection, track_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The user's own genres of those tracks that have any, in the order of the file."""
    found: dict[int, dict[int, str]] = {}
    for start in range(0, len(track_ids), _PARAMETERS):
        # "field" must not choose the index: its values are half of the table each
        query = select(track_values.c.track_id, track_values.c.position, track_values.c.value).where(
            track_values.c.track_id.in_(track_ids[start : start + _PARAMETERS]),
            _user_genre(track_values.c.field.concat("")),
            track_values.c.value != "",
        )
        for track_id, position, value in connection.execute(query):
            found.setdefault(track_id, {})[position] = value
    return {track_id: tuple(values[at] for at in sorted(values)) for track_id, values in found.items()}


def _track(row: Row[Any], user_genres: tuple[str, ...]) -> TrackRow:
    names = [name for name in TrackRow.__slots__ if name != "user_genres"]
    return TrackRow(user_genres=user_genres, **{name: getattr(row, name) for name in names})
