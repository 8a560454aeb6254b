"""Revision 15: manifests that were pulled through, and are not published yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; what an older server had in its memory is asked for again."""
    op.create_table(
        "pending_manifest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(140), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("tag", sa.String(128)),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pending_manifest"),
        sa.UniqueConstraint("repository", "digest", name="uq_pending_manifest_repository_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pending_manifest_repository_tag", "pending_manifest", ["repository", "tag"])
