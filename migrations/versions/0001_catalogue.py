"""Revision 1: create the tables of content, images, manifests and names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables of content, images, manifests and names."""
    op.create_table(
        "content",
        sa.Column("id", ROW, nullable=False),
        sa.Column("digest", sa.String(140), nullable=False),
        sa.Column("size_bytes", ROW, nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.CheckConstraint(
            "state <> 'present' OR size_bytes IS NOT NULL", name=op.f("ck_content_present_has_size")
        ),
        sa.CheckConstraint(
            "state IN ('present', 'absent', 'damaged')", name=op.f("ck_content_state")
        ),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_content_size")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content")),
        sa.UniqueConstraint("digest", name=op.f("uq_content_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_content_state",
        "content",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state != 'present'"),
        postgresql_where=sa.text("state != 'present'"),
    )
    op.create_table(
        "repository",
        sa.Column("id", ROW, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repository")),
        sa.UniqueConstraint("name", name=op.f("uq_repository_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "blob",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_blob_content_id_content"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_blob")),
    )
    op.create_table(
        "document",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_document_content_id_content"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_document")),
    )
    op.create_table(
        "encoding",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("stored_id", ROW, nullable=False),
        sa.Column("codec", sa.String(length=8), nullable=False),
        sa.Column("seekable", sa.Boolean(), nullable=False),
        sa.CheckConstraint("codec IN ('gzip', 'zstd')", name=op.f("ck_encoding_codec")),
        sa.CheckConstraint("content_id <> stored_id", name=op.f("ck_encoding_not_itself")),
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
    op.create_index("ix_encoding_stored_id", "encoding", ["stored_id"], unique=False)
    op.create_table(
        "foreign_source",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("descriptor", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_foreign_source_content_id_content"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("content_id", "descriptor", name=op.f("pk_foreign_source")),
    )
    op.create_table(
        "label",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_label_content_id_content"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("content_id", "key", name=op.f("pk_label")),
    )
    op.create_index("ix_label_key_value", "label", ["key", "value"], unique=False)
    op.create_table(
        "layer",
        sa.Column("id", ROW, nullable=False),
        sa.Column("chain_id", sa.String(140), nullable=False),
        sa.Column("parent_id", ROW, nullable=True),
        sa.Column("diff_id", ROW, nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(depth = 1) = (parent_id IS NULL)", name=op.f("ck_layer_base_has_depth_one")
        ),
        sa.CheckConstraint("depth >= 1", name=op.f("ck_layer_depth")),
        sa.ForeignKeyConstraint(
            ["diff_id"], ["content.id"], name=op.f("fk_layer_diff_id_content"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["layer.id"], name=op.f("fk_layer_parent_id_layer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_layer")),
        sa.UniqueConstraint("chain_id", name=op.f("uq_layer_chain_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_layer_diff_id", "layer", ["diff_id"], unique=False)
    op.create_index("ix_layer_parent_id", "layer", ["parent_id"], unique=False)
    op.create_table(
        "repository_content",
        sa.Column("repository_id", ROW, nullable=False),
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("fresh_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_repository_content_content_id_content"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name=op.f("fk_repository_content_repository_id_repository"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "content_id", name=op.f("pk_repository_content")),
    )
    op.create_index(
        "ix_repository_content_content_id", "repository_content", ["content_id"], unique=False
    )
    op.create_table(
        "image",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("top_layer_id", ROW, nullable=True),
        sa.Column("parent_id", ROW, nullable=True),
        sa.Column("os", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("created_s", ROW, nullable=True),
        sa.Column("diff_state", sa.String(length=10), nullable=False),
        sa.CheckConstraint(
            "diff_state IN ('verified', 'unverified', 'mismatch')", name=op.f("ck_image_diff_state")
        ),
        sa.CheckConstraint(
            "parent_id IS NULL OR parent_id <> content_id", name=op.f("ck_image_not_its_own_parent")
        ),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_image_content_id_content"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["image.content_id"],
            name=op.f("fk_image_parent_id_image"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["top_layer_id"],
            ["layer.id"],
            name=op.f("fk_image_top_layer_id_layer"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_image")),
    )
    op.create_index("ix_image_created_s", "image", ["created_s"], unique=False)
    op.create_index("ix_image_parent_id", "image", ["parent_id"], unique=False)
    op.create_index("ix_image_top_layer_id", "image", ["top_layer_id"], unique=False)
    op.create_table(
        "manifest",
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject_id", ROW, nullable=True),
        sa.Column("artifact_type", sa.Text(), nullable=True),
        sa.Column("image_id", ROW, nullable=True),
        sa.CheckConstraint("kind IN ('manifest', 'index')", name=op.f("ck_manifest_kind")),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_manifest_content_id_content"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.content_id"],
            name=op.f("fk_manifest_image_id_image"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"],
            ["content.id"],
            name=op.f("fk_manifest_subject_id_content"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_manifest")),
    )
    op.create_index("ix_manifest_image_id", "manifest", ["image_id"], unique=False)
    op.create_index("ix_manifest_subject_id", "manifest", ["subject_id"], unique=False)
    op.create_table(
        "kept",
        sa.Column("manifest_id", ROW, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"],
            ["manifest.content_id"],
            name=op.f("fk_kept_manifest_id_manifest"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("manifest_id", name=op.f("pk_kept")),
    )
    op.create_table(
        "manifest_edge",
        sa.Column("manifest_id", ROW, nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content_id", ROW, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("annotations", sa.Text(), nullable=True),
        sa.Column("urls", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "role IN ('config', 'layer', 'child', 'blob')", name=op.f("ck_manifest_edge_role")
        ),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_manifest_edge_content_id_content"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["manifest_id"],
            ["manifest.content_id"],
            name=op.f("fk_manifest_edge_manifest_id_manifest"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("manifest_id", "role", "position", name=op.f("pk_manifest_edge")),
    )
    op.create_index("ix_manifest_edge_content_id", "manifest_edge", ["content_id"], unique=False)
    op.create_table(
        "reference",
        sa.Column("id", ROW, nullable=False),
        sa.Column("repository_id", ROW, nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("manifest_id", ROW, nullable=False),
        sa.Column("tagged_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"],
            ["manifest.content_id"],
            name=op.f("fk_reference_manifest_id_manifest"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repository.id"],
            name=op.f("fk_reference_repository_id_repository"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference")),
        sa.UniqueConstraint("repository_id", "tag", name=op.f("uq_reference_repository_id_tag")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reference_manifest_id", "reference", ["manifest_id"], unique=False)
