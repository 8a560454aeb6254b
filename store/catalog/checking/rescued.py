"""Rows of a catalogue that is made again from the document log: tags, repositories, kept manifests.

The rows keep the times that the log has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.batches import insert_rows
from store.db.schema import kept, reference, reference_log, repository_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey, RepositoryKey
    from store.model.digests import Digest
    from store.model.references import Reference


def add_tags(
    connection: Connection,
    tags: Mapping[Reference, tuple[Digest, datetime]],
    manifests: Mapping[Digest, ContentKey],
    repositories: Mapping[str, RepositoryKey],
    *,
    operation: str,
) -> None:
    """Insert tags into a catalogue that has none of them, and record them as changes.

    Args:
        connection: An open write transaction.
        tags: The digest of the manifest of each tag, and when the tag was set.
        manifests: The row numbers of the manifests.
        repositories: The row numbers of the repositories, by full name.
        operation: The name of the operation, for the log of references.
    """
    insert_rows(
        connection,
        reference,
        (
            {
                "repository_id": repositories[str(name.repository)],
                "tag": name.tag,
                "manifest_id": manifests[digest],
                "tagged_at": at,
            }
            for name, (digest, at) in tags.items()
        ),
    )
    insert_rows(
        connection,
        reference_log,
        (
            {
                "at": at,
                "repository": str(name.repository),
                "tag": name.tag,
                "old": None,
                "new": digest,
                "operation": operation,
            }
            for name, (digest, at) in tags.items()
        ),
    )


def add_held(
    connection: Connection, held: Iterable[tuple[RepositoryKey, ContentKey, str | None]]
) -> None:
    """Insert what repositories serve into a catalogue that has none of it.

    Args:
        connection: An open write transaction.
        held: Each repository and content, with the media type of a manifest that the repository
            serves under another one than the common one; None for all other content.
    """
    insert_rows(
        connection,
        repository_content,
        (
            {"repository_id": repository, "content_id": key, "media_type": media_type}
            for repository, key, media_type in held
        ),
    )


def add_kept(connection: Connection, manifests: Mapping[ContentKey, datetime]) -> None:
    """Insert manifests that are kept without a name, into a catalogue that keeps none of them.

    Args:
        connection: An open write transaction.
        manifests: When each manifest lost its last name.
    """
    insert_rows(connection, kept, ({"manifest_id": key, "at": at} for key, at in manifests.items()))
