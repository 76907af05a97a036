"""Which run a write belongs to, and which writes an undo took back. Rows from before know neither."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("writes", sa.Column("run", sa.Integer()))
    op.add_column("writes", sa.Column("undoes", sa.JSON()))
    op.create_index("ix_writes_run", "writes", ["run"])
