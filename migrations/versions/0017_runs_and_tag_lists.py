"""Revision 17: find the changes of a run of a sync, and remember lists of upstream tags."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index and the table; registries are asked for their lists again."""
    op.create_index(
        "ix_reference_log_run",
        "reference_log",
        ["operation"],
        sqlite_where=sa.text("operation >= 'sync-' AND operation < 'sync.'"),
    )
    op.create_table(
        "upstream_tag_list",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tags", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_upstream_tag_list"),
        sa.UniqueConstraint("repository", name="uq_upstream_tag_list_repository"),
        sqlite_autoincrement=True,
    )
