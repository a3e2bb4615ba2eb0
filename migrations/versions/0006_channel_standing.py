"""Channels: what they ask for (rules, tags), how often they may be sent to, and how they fare."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from trackside_service.storage.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: a channel of before asks for every rule and tag, has its kind's limit, and does not fail."""
    for column in (
        sa.Column("codes", sa.JSON(none_as_null=True)),
        sa.Column("tags", sa.JSON(none_as_null=True)),
        sa.Column("disabled_at", UtcDateTime()),
        sa.Column("max_per_minute", sa.Integer()),
        sa.Column("ready_at", UtcDateTime()),
        sa.Column("delivered_at", UtcDateTime()),
        sa.Column("failing_since", UtcDateTime()),
        sa.Column("refusals", sa.Integer(), nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("channels", column)


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("channels") as channels:
        for name in ("refusals", "failing_since", "delivered_at", "ready_at", "max_per_minute"):
            channels.drop_column(name)
        for name in ("disabled_at", "tags", "codes"):
            channels.drop_column(name)
