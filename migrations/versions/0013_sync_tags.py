"""Revision 13: remember what syncs saw of the tags of registries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; an older store has had no sync."""
    op.create_table(
        "sync_tag",
        sa.Column("sync", sa.String(64), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("tag", sa.String(128), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(140)),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("parts", sa.String(16), nullable=False),
        sa.Column("created_at", sa.String(27)),
        sa.Column("checked_at", sa.String(27), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sync", "place", "tag", name="pk_sync_tag"),
    )
    op.create_index("ix_sync_tag_place_tag", "sync_tag", ["place", "tag"])
