"""Revision 6: layers may be stored in bzip2 and xz.

A pushed layer in bzip2 or xz was decoded into a file of the store, which could be a million times
as large as the pushed blob. Since this revision only the pushed blob is stored, and its encoding is
recorded like any other. Layers that older versions have decoded stay as they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Allow the codecs ``bzip2`` and ``xz`` in the encodings."""
    op.drop_index("ix_encoding_stored_id", table_name="encoding")
    op.rename_table("encoding", "encoding_0005")
    op.create_table(
        "encoding",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("stored_id", ROW, nullable=False),
        sa.Column("codec", sa.String(length=8), nullable=False),
        sa.Column("seekable", sa.Boolean(), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("checked", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "codec IN ('gzip', 'zstd', 'bzip2', 'xz')", name=op.f("ck_encoding_codec")
        ),
        sa.CheckConstraint("content_id <> stored_id", name=op.f("ck_encoding_not_itself")),
        sa.CheckConstraint(
            "NOT seekable OR ours OR checked", name=op.f("ck_encoding_seekable_is_proven")
        ),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_encoding_content_id_content"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["stored_id"],
            ["content.id"],
            name=op.f("fk_encoding_stored_id_content"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("content_id", "stored_id", name=op.f("pk_encoding")),
    )
    op.execute(
        "INSERT INTO encoding (content_id, stored_id, codec, seekable, ours, checked)"
        " SELECT content_id, stored_id, codec, seekable, ours, checked FROM encoding_0005"
    )
    op.drop_table("encoding_0005")
    op.create_index("ix_encoding_stored_id", "encoding", ["stored_id"], unique=False)
