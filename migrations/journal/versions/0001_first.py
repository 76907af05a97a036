"""The first schema of the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "vetoes",
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("path", "identity", "field", name="pk_vetoes"),
    )
    op.create_index("ix_vetoes_identity", "vetoes", ["identity"])
    op.create_table(
        "writes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.BLOB(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("hash_before", sa.Text(), nullable=False),
        sa.Column("hash_after", sa.Text(), nullable=False),
        sa.Column("temp_name", sa.BLOB(), nullable=False),
        sa.Column("temp_inode", sa.Integer(), nullable=False),
        sa.Column("stat_before", sa.JSON(), nullable=False),
        sa.Column("undo_record", sa.BLOB(), nullable=False),
        sa.Column("written", sa.JSON(), nullable=False),
        sa.Column("replaced", sa.JSON(), nullable=False),
        sa.Column("bundle_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_writes"),
    )
    op.create_index("ix_writes_identity", "writes", ["identity"])
    op.create_index("ix_writes_path", "writes", ["path"])
    op.create_index("ix_writes_state", "writes", ["state"])
