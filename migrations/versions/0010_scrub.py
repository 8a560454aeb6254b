"""Revision 10: record when stored bytes were last checked, and the passes of the scrubber."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the two tables; content without a row was last checked when its file was published."""
    op.create_table(
        "content_check",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("content_id", name="pk_content_check"),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            ondelete="CASCADE",
            name="fk_content_check_content_id_content",
        ),
    )
    op.create_table(
        "scrub",
        sa.Column("id", ROW, nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("before_at", sa.String(27), nullable=False),
        sa.Column("finished_at", sa.String(27), nullable=True),
        sa.Column("contents", ROW, nullable=False),
        sa.Column("size_bytes", ROW, nullable=False),
        sa.Column("errors", ROW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scrub"),
        sqlite_autoincrement=True,
    )
