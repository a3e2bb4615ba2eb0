"""The life of an alert: acknowledgement, causes and symptoms, flapping, what was told; and silences."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from trackside_service.storage.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _added() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_note", sa.Text(), nullable=True),
        sa.Column("cause_id", sa.Uuid(), nullable=True),
        sa.Column("flaps", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("calm_since", UtcDateTime(), nullable=True),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("withheld_until", UtcDateTime(), nullable=True),
        sa.Column("remind_at", UtcDateTime(), nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", UtcDateTime(), nullable=True),
    )


def upgrade() -> None:
    """Add the columns and the table. What stood before was told when it opened."""
    for column in _added():
        op.add_column("alerts", column)
    op.execute("UPDATE alerts SET told = severity")
    op.create_index(
        "ix_alerts_due_at",
        "alerts",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "silences",
        sa.Column("silence_id", sa.Uuid(), nullable=False),
        sa.Column("matchers", sa.JSON(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("silence_id", name=op.f("pk_silences")),
    )
    op.create_index("ix_silences_until", "silences", ["until"])
    op.create_index("ix_silences_created_at", "silences", ["created_at"])


def downgrade() -> None:
    """Drop what was added. Symptoms become alerts like the others."""
    op.drop_table("silences")
    op.drop_index("ix_alerts_due_at", table_name="alerts")
    with op.batch_alter_table("alerts") as alerts:
        for column in reversed(_added()):
            alerts.drop_column(column.name)
