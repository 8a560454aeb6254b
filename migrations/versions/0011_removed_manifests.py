"""Revision 11: record what removed manifests were, and which user changed a tag, to undo both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table and the column; nothing is known about earlier removals."""
    op.add_column("reference_log", sa.Column("actor", sa.Text(), nullable=True))
    op.create_table(
        "removed_manifest",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("subject_id", ROW, nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("content_id", name="pk_removed_manifest"),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            ondelete="CASCADE",
            name="fk_removed_manifest_content_id_content",
        ),
    )
    op.create_index("ix_removed_manifest_subject_id", "removed_manifest", ["subject_id"])
