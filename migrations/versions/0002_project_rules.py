"""Settings of the rules for a project, and on each run those that it was opened under."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from trackside_service.storage.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "project_rules",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_project_rules")),
    )
    op.add_column("runs", sa.Column("project_rules", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Drop both."""
    op.drop_column("runs", "project_rules")
    op.drop_table("project_rules")
