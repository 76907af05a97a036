"""Which writes were made before the user said `write --again`. Of rows from before nobody knows: they were not."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("writes", sa.Column("released", sa.Boolean()))
