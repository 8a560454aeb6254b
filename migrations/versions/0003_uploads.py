"""Revision 3: create the table of uploads, so that an upload can continue after a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table of uploads."""
    op.create_table(
        "upload",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("offset_bytes", ROW, nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("touched_at", sa.String(27), nullable=False),
        sa.CheckConstraint("offset_bytes >= 0", name=op.f("ck_upload_offset")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    op.create_index("ix_upload_touched_at", "upload", ["touched_at"], unique=False)
