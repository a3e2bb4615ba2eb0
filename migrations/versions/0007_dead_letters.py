"""Deliveries that failed for good are found over all channels, and what is sent anew has its whole schedule again;
channels have a daily digest.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from trackside_service.storage.types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FAILED = sa.text("status = 'failed'")


def upgrade() -> None:
    """Add the columns and the index: no channel of before has a digest."""
    op.add_column("deliveries", sa.Column("round_began", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("channels", sa.Column("digest_at", sa.Text()))
    op.add_column("channels", sa.Column("digest_due_at", UtcDateTime()))
    op.add_column("channels", sa.Column("digested_at", UtcDateTime()))
    op.create_index("ix_deliveries_failed", "deliveries", ["number"], sqlite_where=_FAILED, postgresql_where=_FAILED)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_deliveries_failed", "deliveries")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("round_began")
    with op.batch_alter_table("channels") as channels:
        for name in ("digested_at", "digest_due_at", "digest_at"):
            channels.drop_column(name)
