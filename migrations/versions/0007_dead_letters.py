"""Deliveries that failed for good are found over all channels, and what is sent anew has its whole schedule again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FAILED = sa.text("status = 'failed'")


def upgrade() -> None:
    """Add the column and the index."""
    op.add_column("deliveries", sa.Column("round_began", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_index("ix_deliveries_failed", "deliveries", ["number"], sqlite_where=_FAILED, postgresql_where=_FAILED)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_deliveries_failed", "deliveries")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("round_began")
