"""How regularly a run is heard of, and when to look whether it is silent.

The index over `last_seen_at` goes: it was written by every post.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from trackside_service.storage.types import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Runs that are under way are waited for from their next post on."""
    op.add_column("runs", sa.Column("posts", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("longest_pause_s", sa.Double(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("silence_limit_s", sa.Double(), nullable=True))
    op.add_column("runs", sa.Column("deadline_at", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_runs_deadline_at",
        "runs",
        ["deadline_at", "run_id"],
        sqlite_where=sa.text("deadline_at IS NOT NULL"),
        postgresql_where=sa.text("deadline_at IS NOT NULL"),
    )
    op.drop_index("ix_runs_status_last_seen_at", "runs")


def downgrade() -> None:
    """Drop them."""
    op.create_index("ix_runs_status_last_seen_at", "runs", ["status", "last_seen_at"])
    op.drop_index("ix_runs_deadline_at", "runs")
    for column in ("deadline_at", "silence_limit_s", "longest_pause_s", "posts"):
        op.drop_column("runs", column)
