"""When the last message left a channel, for channels whose messages are grouped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from trackside_service.storage.types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: nothing was told yet, so the first message leaves at once."""
    op.add_column("channels", sa.Column("told_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("channels") as channels:
        channels.drop_column("told_at")
