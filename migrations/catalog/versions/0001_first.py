"""The first schema of the catalog."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bundles",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bundles"),
    )
    op.create_table(
        "recordings",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("length_seconds", sa.Float()),
        sa.Column("channels", sa.Integer()),
        sa.PrimaryKeyConstraint("identity", name="pk_recordings"),
    )
    op.create_table(
        "roots",
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("scanned_at", sa.Float()),
        sa.PrimaryKeyConstraint("path", name="pk_roots"),
    )
    op.create_table(
        "tracks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("root", sa.BLOB(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("inode", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("mtime_ns", sa.Integer(), nullable=False),
        sa.Column("ctime_ns", sa.Integer(), nullable=False),
        sa.Column("nlink", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=False),
        sa.Column("gid", sa.Integer(), nullable=False),
        sa.Column("mode", sa.Integer(), nullable=False),
        sa.Column("tags_digest", sa.Text(), nullable=False),
        sa.Column("artist", sa.Text()),
        sa.Column("title", sa.Text()),
        sa.Column("album", sa.Text()),
        sa.Column("year", sa.Integer()),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("missing_since", sa.Float()),
        sa.PrimaryKeyConstraint("id", name="pk_tracks"),
        sa.UniqueConstraint("path", name="uq_tracks_path"),
    )
    op.create_index("ix_tracks_identity", "tracks", ["identity"])
    op.create_index("ix_tracks_missing_since", "tracks", ["missing_since"])
    op.create_index("ix_tracks_root", "tracks", ["root", "path"])
    op.create_table(
        "analyses",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("genre", sa.Text(), nullable=False),
        sa.Column("genre_confidence", sa.Float(), nullable=False),
        sa.Column("mood", sa.Text(), nullable=False),
        sa.Column("mood_confidence", sa.Float(), nullable=False),
        sa.Column("emotion", sa.Text(), nullable=False),
        sa.Column("valence", sa.Float(), nullable=False),
        sa.Column("arousal", sa.Float(), nullable=False),
        sa.Column("dominance", sa.Float(), nullable=False),
        sa.Column("probabilities", sa.JSON(), nullable=False),
        sa.Column("embedding", sa.BLOB(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("analyzed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("identity", "bundle_id", name="pk_analyses"),
        sa.ForeignKeyConstraint(["identity"], ["recordings.identity"], name="fk_analyses_identity", ondelete="CASCADE"),
    )
    op.create_index("ix_analyses_emotion", "analyses", ["emotion"])
    op.create_index("ix_analyses_genre", "analyses", ["genre"])
    op.create_index("ix_analyses_latest", "analyses", ["identity", "analyzed_at"])
    op.create_index("ix_analyses_mood", "analyses", ["mood"])
    op.create_table(
        "decisions",
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("tags_digest", sa.Text(), nullable=False),
        sa.Column("vetoes", sa.Text(), nullable=False),
        sa.Column("program_version", sa.Text(), nullable=False),
        sa.Column("ctime_ns", sa.Integer(), nullable=False),
        sa.Column("nlink", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("track_id", name="pk_decisions"),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name="fk_decisions_track_id", ondelete="CASCADE"),
    )
    op.create_table(
        "failures",
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", sa.Float()),
        sa.PrimaryKeyConstraint("track_id", "stage", name="pk_failures"),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name="fk_failures_track_id", ondelete="CASCADE"),
    )
    op.create_table(
        "track_values",
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("vocabulary", sa.Integer(), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("track_id", "field", "position", "label", name="pk_track_values"),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name="fk_track_values_track_id", ondelete="CASCADE"),
    )
    op.create_index("ix_track_values_label", "track_values", ["field", "label"])
    op.create_index("ix_track_values_word", "track_values", ["field", "word"])
