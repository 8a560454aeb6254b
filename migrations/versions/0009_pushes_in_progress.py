"""Revision 9: record when clients last pushed to a repository, and end settled grace periods.

A blob without a manifest has a grace period. The grace period now ends when the repository gets a
manifest that lists the blob, so this upgrade ends the grace periods of such blobs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SETTLE = """
UPDATE repository_content SET fresh_at = NULL
WHERE fresh_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM manifest_edge
    JOIN repository_content AS held ON held.content_id = manifest_edge.manifest_id
    WHERE manifest_edge.content_id = repository_content.content_id
    AND held.repository_id = repository_content.repository_id
)
"""


def upgrade() -> None:
    """Add the times, and end the grace periods of blobs that a manifest lists."""
    op.add_column("repository", sa.Column("blobs_at", sa.String(27), nullable=True))
    op.add_column("repository", sa.Column("manifest_at", sa.String(27), nullable=True))
    op.create_index("ix_repository_blobs_at", "repository", ["blobs_at"])
    op.create_index("ix_repository_manifest_at", "repository", ["manifest_at"])
    op.execute(SETTLE)
    op.create_index(
        "ix_repository_content_fresh_at",
        "repository_content",
        ["fresh_at"],
        sqlite_where=sa.text("fresh_at IS NOT NULL"),
    )
