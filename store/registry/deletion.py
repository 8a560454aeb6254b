"""Delete blobs, tags and manifests from a repository. A later collection frees their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.catalog import events, naming, references, repositories, serving
from store.catalog.collection import removed
from store.catalog.lists import repository_lists
from store.model.references import Reference, Repository
from store.names.tagging import remove_variants
from store.registry.blobs import unknown_blob
from store.registry.manifests import unknown_manifest
from store.registry.repositories import require_repository

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest

_OPERATION: Final = "registry"
"""The name of deletions in the log of references."""


def delete_blob(connection: Connection, repository: Repository, digest: Digest) -> None:
    """Stop serving a blob from a repository.

    Args:
        connection: A write unit.
        repository: The repository that serves the blob.
        digest: The digest of the blob.

    Raises:
        RepositoryNotFound: There is no such repository.
        ContentNotFound: The repository does not hold the blob.
    """
    key = require_repository(connection, repository)
    # One statement, whether or not other repositories hold the blob.
    if not serving.let_go_digest(connection, key, digest):
        raise unknown_blob(repository, digest)


def delete_tag(connection: Connection, repository: Repository, tag: str, *, now: datetime) -> None:
    """Remove a tag, and the variants of its image. The manifest can still be read by digest.

    Args:
        connection: A write unit.
        repository: The repository that has the tag.
        tag: The name of the tag.
        now: The time of the change.

    Raises:
        RepositoryNotFound: There is no such repository.
        ReferenceNotFound: The repository does not have the tag.
    """
    require_repository(connection, repository)
    target = references.get(connection, Reference(repository, tag))
    if target is None:
        raise unknown_manifest(repository, tag)
    naming.remove_tag(connection, target, now=now, operation=_OPERATION)
    _record(connection, "untag", target.image_id or target.digest, target.reference, now)
    remove_variants(connection, target.reference, now=now, operation=_OPERATION)


def delete_manifest(
    connection: Connection, repository: Repository, digest: Digest, *, now: datetime
) -> None:
    """Remove a manifest from a repository, with its tags and their variants.

    Args:
        connection: A write unit.
        repository: The repository that holds the manifest.
        digest: The digest of the manifest.
        now: The time of the change.

    Raises:
        RepositoryNotFound: There is no such repository.
        ContentNotFound: The repository does not hold the manifest.
    """
    key = require_repository(connection, repository)
    found = repositories.by_digest(connection, repository, digest)
    if found is None:
        raise unknown_manifest(repository, digest)
    for tag in repository_lists.tags_of(connection, key, found.key):
        target = references.get(connection, Reference(repository, tag))
        if target is not None:
            naming.remove_tag(connection, target, now=now, operation=_OPERATION)
            _record(connection, "untag", target.image_id or target.digest, target.reference, now)
            remove_variants(connection, target.reference, now=now, operation=_OPERATION)
    removed.note(connection, (found.key,), now=now)
    serving.let_go(connection, key, found.key)
    serving.drop_unheld(connection, found.key)
    _record(connection, "delete", digest, Reference(repository, None, digest), now)


def _record(
    connection: Connection, action: str, target: object, name: Reference, now: datetime
) -> None:
    events.add_events(connection, [events.Event(now, action, str(target), {"name": name.familiar})])
