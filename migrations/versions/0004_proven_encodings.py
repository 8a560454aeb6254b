"""Revision 4: record which encodings the store made itself, and which encodings it has checked.

Older versions marked a pushed zstd blob as seekable without comparing its seek table with its
frames. Such a blob could decode to one layer as a stream, and to a different layer by its seek
table.

Old rows do not show which blobs were pushed. A pushed blob and an imported blob are both seekable,
and the repository to which a blob was pushed may have deleted the blob since. Even an encoding that
the server made may come from a pushed blob.

So this revision marks no old encoding as made by the store or as checked, and no old encoding as
seekable. The store checks an old encoding when it next depends on the encoding, and then marks the
encoding as seekable again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns ``ours`` and ``checked`` to the encodings, and trust none of them."""
    op.drop_index("ix_encoding_stored_id", table_name="encoding")
    op.rename_table("encoding", "encoding_0003")
    op.create_table(
        "encoding",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("stored_id", ROW, nullable=False),
        sa.Column("codec", sa.String(length=8), nullable=False),
        sa.Column("seekable", sa.Boolean(), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("checked", sa.Boolean(), nullable=False),
        sa.CheckConstraint("codec IN ('gzip', 'zstd')", name=op.f("ck_encoding_codec")),
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
        " SELECT content_id, stored_id, codec, FALSE, FALSE, FALSE FROM encoding_0003"
    )
    op.drop_table("encoding_0003")
    op.create_index("ix_encoding_stored_id", "encoding", ["stored_id"], unique=False)
