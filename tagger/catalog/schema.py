"""The tables of both files. The migrations do not import this module: they hold each revision's own state."""

from sqlalchemy import (
    BLOB,
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

catalog = MetaData(naming_convention=NAMES)
"""catalog.sqlite: what listening again would restore."""

roots = Table(
    "roots",
    catalog,
    Column("path", BLOB, primary_key=True),
    Column("device", Integer, nullable=False),
    Column("scanned_at", Float),
)

tracks = Table(
    "tracks",
    catalog,
    Column("id", Integer, primary_key=True),
    Column("path", BLOB, nullable=False),
    Column("root", BLOB, nullable=False),
    Column("identity", Text, nullable=False),
    Column("container", Text, nullable=False),
    Column("device", Integer, nullable=False),
    Column("inode", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("ctime_ns", Integer, nullable=False),
    Column("nlink", Integer, nullable=False),
    Column("uid", Integer, nullable=False),
    Column("gid", Integer, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("tags_digest", Text, nullable=False),
    Column("artist", Text),
    Column("title", Text),
    Column("album", Text),
    Column("year", Integer),
    Column("seen_at", Float, nullable=False),
    Column("missing_since", Float),
    UniqueConstraint("path"),
    Index("ix_tracks_identity", "identity"),
    Index("ix_tracks_root", "root", "path"),
    Index("ix_tracks_missing_since", "missing_since"),
)

track_values = Table(
    "track_values",
    catalog,
    Column("track_id", ForeignKey("tracks.id", ondelete="CASCADE"), nullable=False),
    Column("field", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("label", Text, nullable=False),  # one row a label that the value means; "" where it means none of ours
    Column("value", Text, nullable=False),  # "": a row of one more word, for a value that is a list
    Column("word", Text, nullable=False),  # the value in the vocabulary's spelling
    Column("vocabulary", Integer, nullable=False),
    Column("ours", Boolean, nullable=False),
    PrimaryKeyConstraint("track_id", "field", "position", "label"),
    Index("ix_track_values_label", "field", "label"),
    Index("ix_track_values_word", "field", "word"),
)

recordings = Table(
    "recordings",
    catalog,
    Column("identity", Text, primary_key=True),
    Column("codec", Text, nullable=False),
    Column("length_seconds", Float),
    Column("channels", Integer),
)

bundles = Table(
    "bundles",
    catalog,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("card", Text, nullable=False),
)

analyses = Table(
    "analyses",
    catalog,
    Column("identity", ForeignKey("recordings.identity", ondelete="CASCADE"), nullable=False),
    Column("bundle_id", Text, nullable=False),
    Column("genre", Text, nullable=False),
    Column("genre_confidence", Float, nullable=False),
    Column("mood", Text, nullable=False),
    Column("mood_confidence", Float, nullable=False),
    Column("emotion", Text, nullable=False),
    Column("valence", Float, nullable=False),
    Column("arousal", Float, nullable=False),
    Column("dominance", Float, nullable=False),
    Column("probabilities", JSON, nullable=False),
    Column("embedding", BLOB, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("is_music", Boolean, nullable=False),
    Column("analyzed_at", Float, nullable=False),
    PrimaryKeyConstraint("identity", "bundle_id"),
    Index("ix_analyses_latest", "identity", "analyzed_at"),
    Index("ix_analyses_mood", "mood"),
    Index("ix_analyses_genre", "genre"),
    Index("ix_analyses_emotion", "emotion"),
)

decisions = Table(
    "decisions",
    catalog,
    Column("track_id", ForeignKey("tracks.id", ondelete="CASCADE"), primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("notes", JSON, nullable=False),
    Column("bundle_id", Text, nullable=False),
    Column("policy_digest", Text, nullable=False),
    Column("tags_digest", Text, nullable=False),
    Column("vetoes", Text, nullable=False),
    Column("program_version", Text, nullable=False),
    Column("ctime_ns", Integer, nullable=False),
    Column("nlink", Integer, nullable=False),
)

failures = Table(
    "failures",
    catalog,
    Column("track_id", ForeignKey("tracks.id", ondelete="CASCADE"), nullable=False),
    Column("stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Float),  # NULL: not before the file changes
    PrimaryKeyConstraint("track_id", "stage"),
    Index("ix_failures_reason", "reason"),
)

journal = MetaData(naming_convention=NAMES, schema="journal")
"""journal.sqlite, attached as "journal": what nothing could restore."""

writes = Table(
    "writes",
    journal,
    Column("id", Integer, primary_key=True),
    Column("path", BLOB, nullable=False),
    Column("identity", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("hash_before", Text, nullable=False),
    Column("hash_after", Text, nullable=False),
    Column("temp_name", BLOB, nullable=False),
    Column("temp_inode", Integer, nullable=False),
    Column("stat_before", JSON, nullable=False),
    Column("undo_record", BLOB, nullable=False),
    Column("written", JSON, nullable=False),
    Column("replaced", JSON, nullable=False),
    Column("bundle_id", Text),
    Column("run", Integer),  # NULL: an undo, or a row from before runs
    Column("undoes", JSON(none_as_null=True)),  # ids of the writes that an undo took back; NULL: all before it
    Column("released", Boolean),  # true: what the user changed since is open to us again, he said `write --again`
    Index("ix_writes_identity", "identity"),
    Index("ix_writes_path", "path"),
    Index("ix_writes_run", "run"),
    Index("ix_writes_state", "state"),
)

vetoes = Table(
    "vetoes",
    journal,
    Column("path", BLOB, nullable=False),
    Column("identity", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("why", Text, nullable=False),
    PrimaryKeyConstraint("path", "identity", "field"),
    Index("ix_vetoes_identity", "identity"),
)
