"""Revision 7: record the claims of each manifest and of each repository.

Older versions recorded some claims of the first client for all repositories:

- the size that a descriptor states for content that the store does not have;
- the media type under which a manifest without the member ``mediaType`` was pushed;
- that the layers of an image are its diffs, even if a manifest of the image lists other layers.

This revision forgets the stated sizes: the manifests that state them are stored. A manifest is
marked as verified only if each of its own layers is a diff of the image or decodes to it. The
server checks the other manifests when it starts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATES = "diff_state IN ('verified', 'unverified', 'mismatch')"

VERIFIED = """
WITH RECURSIVE chain(image_id, layer_id) AS (
    SELECT content_id, top_layer_id FROM image
    WHERE diff_state = 'verified' AND top_layer_id IS NOT NULL
    UNION ALL
    SELECT chain.image_id, layer.parent_id FROM chain JOIN layer ON layer.id = chain.layer_id
    WHERE layer.parent_id IS NOT NULL
), unproven(manifest_id) AS (
    SELECT manifest.content_id
    FROM chain
    JOIN layer ON layer.id = chain.layer_id
    JOIN manifest ON manifest.image_id = chain.image_id
    LEFT JOIN manifest_edge AS edge ON edge.manifest_id = manifest.content_id
        AND edge.role = 'layer' AND edge.position = layer.depth - 1
    LEFT JOIN content AS stored ON stored.id = edge.content_id
    WHERE stored.id IS NULL OR stored.state <> 'present' OR (
        stored.id <> layer.diff_id AND NOT EXISTS (
            SELECT 1 FROM encoding
            WHERE encoding.content_id = layer.diff_id AND encoding.stored_id = stored.id
        )
    )
)
UPDATE manifest SET diff_state = 'verified'
WHERE image_id IN (SELECT content_id FROM image WHERE diff_state = 'verified')
    AND content_id NOT IN (SELECT manifest_id FROM unproven)
"""

UNPROVEN_IMAGES = """
UPDATE image SET diff_state = 'unverified'
WHERE diff_state = 'verified'
    AND EXISTS (SELECT 1 FROM manifest WHERE manifest.image_id = image.content_id)
    AND NOT EXISTS (
        SELECT 1 FROM manifest
        WHERE manifest.image_id = image.content_id AND manifest.diff_state = 'verified'
    )
"""


def upgrade() -> None:
    """Add the columns, decide which manifests are verified, and forget the stated sizes."""
    op.add_column(
        "manifest",
        sa.Column(
            "diff_state",
            sa.String(length=10),
            sa.CheckConstraint(STATES, name=op.f("ck_manifest_diff_state")),
            nullable=True,
        ),
    )
    op.add_column("repository_content", sa.Column("media_type", sa.Text(), nullable=True))
    op.execute("UPDATE manifest SET diff_state = 'unverified' WHERE image_id IS NOT NULL")
    op.execute(VERIFIED)
    op.execute(UNPROVEN_IMAGES)
    op.execute("UPDATE content SET size_bytes = NULL WHERE state = 'absent'")
