"""Revision 12: remember the tags that were pulled through from upstream registries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; tags without a row are those of pushes and imports."""
    op.create_table(
        "upstream_tag",
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(140), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("repository", "tag", name="pk_upstream_tag"),
    )
