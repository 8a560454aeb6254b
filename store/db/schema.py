"""Tables, constraints and indexes of the catalogue, without behaviour.

``docs/architecture.md`` describes each table. The tables about other registries are in
`store.db.upstream_schema`, because most commands do without them. `migrations` holds the schema's
history; a test compares the schema that the migrations build with `store.db.all_tables`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from store.db.metadata import metadata
from store.db.types import Bytes, DigestType, JsonMap, RowNumber, UtcTime

HEAD: Final = "0017"
"""The newest revision that this program knows: the last revision in `migrations.versions`."""

REVISIONS: Final = (
    *("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009"),
    *("0010", "0011", "0012", "0013", "0014", "0015", "0016", "0017"),
)
"""Every revision that this program can upgrade from, oldest first."""

OF_RUNS: Final = "operation >= 'sync-' AND operation < 'sync.'"
"""The condition of the rows of `reference_log` in the index of the runs of syncs.

A query that repeats it uses the index. All other changes of tags cost no entry there.
"""


def _content(
    name: str, *, on_delete: str, nullable: bool = False, primary_key: bool = False
) -> Column[int]:
    return Column(
        name,
        RowNumber,
        ForeignKey("content.id", ondelete=on_delete),
        nullable=nullable,
        primary_key=primary_key,
    )


# --- content --------------------------------------------------------------------------------------

content: Final = Table(
    "content",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("digest", DigestType, nullable=False, unique=True),
    Column("size_bytes", RowNumber),
    Column("state", String(8), nullable=False),
    CheckConstraint("state IN ('present', 'absent', 'damaged')", name="state"),
    CheckConstraint("size_bytes >= 0", name="size"),
    CheckConstraint("state <> 'present' OR size_bytes IS NOT NULL", name="present_has_size"),
    # The index is partial on SQLite only. On other engines a full index works as well, and naming
    # their dialect here would import it at every start.
    Index("ix_content_state", "state", sqlite_where=Column("state", String(8)) != "present"),
    sqlite_autoincrement=True,
)

document: Final = Table(
    "document",
    metadata,
    _content("content_id", on_delete="CASCADE", primary_key=True),
    Column("bytes", Bytes, nullable=False),
)

blob: Final = Table(
    "blob",
    metadata,
    _content("content_id", on_delete="CASCADE", primary_key=True),
    Column("created_at", UtcTime, nullable=False),
)

encoding: Final = Table(
    "encoding",
    metadata,
    _content("content_id", on_delete="CASCADE"),
    _content("stored_id", on_delete="RESTRICT"),
    Column("codec", String(8), nullable=False),
    Column("seekable", Boolean, nullable=False),
    Column("ours", Boolean, nullable=False),
    Column("checked", Boolean, nullable=False),
    PrimaryKeyConstraint("content_id", "stored_id"),
    CheckConstraint("codec IN ('gzip', 'zstd', 'bzip2', 'xz')", name="codec"),
    CheckConstraint("content_id <> stored_id", name="not_itself"),
    CheckConstraint("NOT seekable OR ours OR checked", name="seekable_is_proven"),
    Index("ix_encoding_stored_id", "stored_id"),
)

content_check: Final = Table(
    "content_check",
    metadata,
    _content("content_id", on_delete="CASCADE", primary_key=True),
    Column("at", UtcTime, nullable=False),
)

scrub: Final = Table(
    "scrub",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    Column("before_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("contents", RowNumber, nullable=False),
    Column("size_bytes", RowNumber, nullable=False),
    Column("errors", RowNumber, nullable=False),
    sqlite_autoincrement=True,
)

# --- images ---------------------------------------------------------------------------------------

layer: Final = Table(
    "layer",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("chain_id", DigestType, nullable=False, unique=True),
    Column("parent_id", RowNumber, ForeignKey("layer.id", ondelete="RESTRICT")),
    _content("diff_id", on_delete="RESTRICT"),
    Column("depth", Integer, nullable=False),
    CheckConstraint("depth >= 1", name="depth"),
    CheckConstraint("(depth = 1) = (parent_id IS NULL)", name="base_has_depth_one"),
    Index("ix_layer_parent_id", "parent_id"),
    Index("ix_layer_diff_id", "diff_id"),
    sqlite_autoincrement=True,
)

image: Final = Table(
    "image",
    metadata,
    _content("content_id", on_delete="RESTRICT", primary_key=True),
    Column("top_layer_id", RowNumber, ForeignKey("layer.id", ondelete="RESTRICT")),
    Column("parent_id", RowNumber, ForeignKey("image.content_id", ondelete="SET NULL")),
    Column("os", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("created_s", RowNumber),
    Column("diff_state", String(10), nullable=False),
    CheckConstraint("diff_state IN ('verified', 'unverified', 'mismatch')", name="diff_state"),
    CheckConstraint("parent_id IS NULL OR parent_id <> content_id", name="not_its_own_parent"),
    Index("ix_image_top_layer_id", "top_layer_id"),
    Index("ix_image_parent_id", "parent_id"),
    Index("ix_image_created_s", "created_s"),
)

manifest: Final = Table(
    "manifest",
    metadata,
    _content("content_id", on_delete="RESTRICT", primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("kind", String(8), nullable=False),
    _content("subject_id", on_delete="RESTRICT", nullable=True),
    Column("artifact_type", Text),
    Column("image_id", RowNumber, ForeignKey("image.content_id", ondelete="RESTRICT")),
    Column("diff_state", String(10)),
    CheckConstraint("kind IN ('manifest', 'index')", name="kind"),
    CheckConstraint("diff_state IN ('verified', 'unverified', 'mismatch')", name="diff_state"),
    Index("ix_manifest_subject_id", "subject_id"),
    Index("ix_manifest_image_id", "image_id"),
)

manifest_edge: Final = Table(
    "manifest_edge",
    metadata,
    Column(
        "manifest_id",
        RowNumber,
        ForeignKey("manifest.content_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("role", String(8), nullable=False),
    Column("position", Integer, nullable=False),
    _content("content_id", on_delete="RESTRICT"),
    Column("media_type", Text, nullable=False),
    Column("platform", JsonMap),
    Column("annotations", JsonMap),
    Column("urls", JsonMap),
    PrimaryKeyConstraint("manifest_id", "role", "position"),
    CheckConstraint("role IN ('config', 'layer', 'child', 'blob')", name="role"),
    Index("ix_manifest_edge_content_id", "content_id"),
)

foreign_source: Final = Table(
    "foreign_source",
    metadata,
    Column(
        "image_id", RowNumber, ForeignKey("image.content_id", ondelete="CASCADE"), nullable=False
    ),
    _content("content_id", on_delete="CASCADE"),
    Column("descriptor", Bytes, nullable=False),
    PrimaryKeyConstraint("image_id", "content_id", "descriptor"),
    Index("ix_foreign_source_content_id", "content_id"),
)

label: Final = Table(
    "label",
    metadata,
    _content("content_id", on_delete="CASCADE"),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("content_id", "key"),
    Index("ix_label_key_value", "key", "value"),
)

# --- names ----------------------------------------------------------------------------------------

repository: Final = Table(
    "repository",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("blobs_at", UtcTime),
    Column("manifest_at", UtcTime),
    Index("ix_repository_blobs_at", "blobs_at"),
    Index("ix_repository_manifest_at", "manifest_at"),
    sqlite_autoincrement=True,
)

repository_content: Final = Table(
    "repository_content",
    metadata,
    Column(
        "repository_id", RowNumber, ForeignKey("repository.id", ondelete="CASCADE"), nullable=False
    ),
    _content("content_id", on_delete="RESTRICT"),
    Column("fresh_at", UtcTime),
    Column("media_type", Text),
    PrimaryKeyConstraint("repository_id", "content_id"),
    Index("ix_repository_content_content_id", "content_id"),
    Index(
        "ix_repository_content_fresh_at",
        "fresh_at",
        sqlite_where=Column("fresh_at", UtcTime).is_not(None),
    ),
)

reference: Final = Table(
    "reference",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column(
        "repository_id", RowNumber, ForeignKey("repository.id", ondelete="RESTRICT"), nullable=False
    ),
    Column("tag", String(128), nullable=False),
    Column(
        "manifest_id",
        RowNumber,
        ForeignKey("manifest.content_id", ondelete="RESTRICT"),
        nullable=False,
    ),
    Column("tagged_at", UtcTime, nullable=False),
    UniqueConstraint("repository_id", "tag"),
    Index("ix_reference_manifest_id", "manifest_id"),
    sqlite_autoincrement=True,
)

kept: Final = Table(
    "kept",
    metadata,
    Column(
        "manifest_id",
        RowNumber,
        ForeignKey("manifest.content_id", ondelete="RESTRICT"),
        primary_key=True,
    ),
    Column("at", UtcTime, nullable=False),
)

removed_manifest: Final = Table(
    "removed_manifest",
    metadata,
    _content("content_id", on_delete="CASCADE", primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("media_type", Text, nullable=False),
    # A plain number: the record does not keep the subject in the store.
    Column("subject_id", RowNumber),
    Column("facts", JsonMap, nullable=False),
    Index("ix_removed_manifest_subject_id", "subject_id"),
)

# --- history: its digests are plain values, which keep no content in the store --------------------

reference_log: Final = Table(
    "reference_log",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("repository", Text, nullable=False),
    Column("tag", String(128), nullable=False),
    Column("old", DigestType),
    Column("new", DigestType),
    Column("operation", Text, nullable=False),
    Column("actor", JsonMap),
    Index("ix_reference_log_repository_tag", "repository", "tag"),
    Index("ix_reference_log_run", "operation", sqlite_where=text(OF_RUNS)),
    sqlite_autoincrement=True,
)

event: Final = Table(
    "event",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("action", String(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("attributes", JsonMap, nullable=False),
    Column("reader", Text),
    Index("ix_event_at", "at"),
    Index("ix_event_target", "target"),
    Index(
        "ix_event_reader",
        "reader",
        "target",
        "at",
        sqlite_where=Column("reader", Text).is_not(None),
    ),
    sqlite_autoincrement=True,
)

import_ledger: Final = Table(
    "import_ledger",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("claim", DigestType, nullable=False),
    Column("source", Text, nullable=False),
    Column("images", JsonMap, nullable=False),
    Column("result", String(16), nullable=False),
    Column("operation", Text, nullable=False),
    CheckConstraint("result IN ('changed', 'unchanged')", name="result"),
    Index("ix_import_ledger_claim", "claim"),
    sqlite_autoincrement=True,
)

# --- running operations and collection ------------------------------------------------------------

operation: Final = Table(
    "operation",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("pid", Integer, nullable=False),
)

lease: Final = Table(
    "lease",
    metadata,
    Column(
        "operation_id", String(40), ForeignKey("operation.id", ondelete="CASCADE"), nullable=False
    ),
    _content("content_id", on_delete="RESTRICT"),
    PrimaryKeyConstraint("operation_id", "content_id"),
    Index("ix_lease_content_id", "content_id"),
)

condemned: Final = Table(
    "condemned",
    metadata,
    Column("digest", DigestType, primary_key=True),
    Column("at", UtcTime, nullable=False),
)

upload: Final = Table(
    "upload",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("repository", Text, nullable=False),
    Column("offset_bytes", RowNumber, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("touched_at", UtcTime, nullable=False),
    Column("owner", Text),
    CheckConstraint("offset_bytes >= 0", name="offset"),
    Index("ix_upload_touched_at", "touched_at"),
    Index("ix_upload_owner", "owner"),
)
