"""The tables about other registries: tags that were seen there, syncs, and what is pulled through.

They are plain values, which keep no content in the store.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from store.db.metadata import metadata
from store.db.types import Bytes, DigestType, RowNumber, UtcTime

upstream_tag: Final = Table(
    "upstream_tag",
    metadata,
    Column("repository", Text, nullable=False),
    Column("tag", String(128), nullable=False),
    # A plain digest: the record does not keep the manifest in the store.
    Column("digest", DigestType, nullable=False),
    Column("etag", Text, nullable=False),
    Column("checked_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("repository", "tag"),
)

upstream_tag_list: Final = Table(
    "upstream_tag_list",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("repository", Text, nullable=False),
    Column("tags", Bytes, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    UniqueConstraint("repository"),
    sqlite_autoincrement=True,
)

sync_tag: Final = Table(
    "sync_tag",
    metadata,
    Column("sync", String(64), nullable=False),
    Column("place", Text, nullable=False),
    Column("tag", String(128), nullable=False),
    Column("source", Text, nullable=False),
    # A plain digest: the record does not keep the manifest in the store.
    Column("digest", DigestType),
    Column("etag", Text, nullable=False),
    Column("parts", String(16), nullable=False),
    Column("created_at", UtcTime),
    Column("checked_at", UtcTime, nullable=False),
    Column("failures", Integer, nullable=False),
    PrimaryKeyConstraint("sync", "place", "tag"),
    Index("ix_sync_tag_place_tag", "place", "tag"),
)

pending_manifest: Final = Table(
    "pending_manifest",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("repository", Text, nullable=False),
    # A plain digest: the manifest is not content of the store yet.
    Column("digest", DigestType, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("bytes", Bytes, nullable=False),
    Column("tag", String(128)),
    Column("etag", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    UniqueConstraint("repository", "digest"),
    Index("ix_pending_manifest_repository_tag", "repository", "tag"),
    sqlite_autoincrement=True,
)

sync_run: Final = Table(
    "sync_run",
    metadata,
    Column("sync", String(64), nullable=False),
    Column("run", String(32), nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=False),
    Column("succeeded_at", UtcTime),
    Column("exit_code", Integer, nullable=False),
    Column("images", Integer, nullable=False),
    Column("moved", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("size_bytes", RowNumber, nullable=False),
    Column("failures", Integer, nullable=False),
    PrimaryKeyConstraint("sync"),
)

registry_budget: Final = Table(
    "registry_budget",
    metadata,
    Column("registry", Text, nullable=False),
    Column("remaining", Integer, nullable=False),
    Column("ceiling", Integer),
    Column("noted_at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    PrimaryKeyConstraint("registry"),
)
