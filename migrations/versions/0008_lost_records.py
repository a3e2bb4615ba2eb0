"""How many records a process could not keep until they were sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: of the processes so far nobody told of a loss."""
    op.add_column("process_lives", sa.Column("lost", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("process_lives", "lost")
