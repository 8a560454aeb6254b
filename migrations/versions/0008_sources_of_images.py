"""Revision 8: record the download addresses of foreign layers for each image.

Older versions recorded an address for the layer: the claim of one image changed the saved bytes of
every image that has the layer. Which image made a recorded claim is not known. So each image that
has the layer keeps it, and today's images are saved as before.

Addresses that belong to no layer of an image were never listed. They are forgotten.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ATTRIBUTE = """
WITH RECURSIVE above(diff_id, layer_id) AS (
    SELECT layer.diff_id, layer.id FROM layer
    WHERE layer.diff_id IN (SELECT content_id FROM old_foreign_source)
    UNION
    SELECT above.diff_id, layer.id FROM above JOIN layer ON layer.parent_id = above.layer_id
)
INSERT INTO foreign_source (image_id, content_id, descriptor)
SELECT DISTINCT image.content_id, above.diff_id, old_foreign_source.descriptor
FROM above
JOIN image ON image.top_layer_id = above.layer_id
JOIN old_foreign_source ON old_foreign_source.content_id = above.diff_id
"""


def upgrade() -> None:
    """Give each image the addresses that are recorded for its layers."""
    op.rename_table("foreign_source", "old_foreign_source")
    op.create_table(
        "foreign_source",
        sa.Column("image_id", ROW, nullable=False),
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("descriptor", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.content_id"],
            name=op.f("fk_foreign_source_image_id_image"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_foreign_source_content_id_content"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "image_id", "content_id", "descriptor", name=op.f("pk_foreign_source")
        ),
    )
    op.execute(ATTRIBUTE)
    op.create_index("ix_foreign_source_content_id", "foreign_source", ["content_id"])
    op.drop_table("old_foreign_source")
