"""Whether a recording is music at all. Bundles from before could not tell: what they heard counts as music."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("analyses", sa.Column("is_music", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.create_index("ix_failures_reason", "failures", ["reason"])
