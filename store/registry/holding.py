"""The blobs that a repository serves: mounts, grace periods, and blobs that the server encodes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog import content, encodings, repositories, serving
from store.catalog.collection.grace import ACTIVITY_S
from store.db.database import Durability
from store.formats.distribution.names import BY_ID
from store.model.contents import ContentState
from store.registry.damage import tolerating_failed_notes
from store.registry.repositories import repository_of
from store.workspace.soundness import lost, unsound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import DiffID, Digest
    from store.model.references import Repository
    from store.workspace.workspace import Workspace


def extend_grace(workspace: Workspace, repository: Repository, digest: Digest) -> bool:
    """Begin or extend the grace period of a blob, unless it began less than `ACTIVITY_S` ago.

    A client that knows that a blob exists relies on the blob until the client pushes the manifest.
    Nothing is recorded if the store is read-only.

    Args:
        workspace: The opened store.
        repository: The repository that holds the blob.
        digest: The digest of the blob.

    Returns:
        False if the repository no longer holds the blob: a collection has deleted it since the
        caller looked.
    """
    if workspace.read_only or repository == BY_ID:
        return True
    with workspace.look() as lookup:
        # Clients ask for the same blobs again and again; few of these requests may write.
        since = workspace.now() - timedelta(seconds=ACTIVITY_S)
        if repositories.is_fresh(lookup, repository, digest, since):
            return True
    with tolerating_failed_notes(), workspace.write("registry", Durability.SOON) as connection:
        held = repositories.held(connection, repository, (digest,))
        key = repositories.find(connection, repository)
        if digest not in held or key is None:
            return False
        now = workspace.now()
        serving.hold(connection, key, held[digest], fresh_at=now)
        serving.note_blobs(connection, repository, now)
    return True


def note_activity(workspace: Workspace, repository: Repository) -> None:
    """Record that a client pushes blobs, unless that was recorded less than `ACTIVITY_S` ago.

    A repository that does not exist yet holds no blobs that a collection could remove. It is made,
    with the time, when its first blob is complete.

    Args:
        workspace: The opened store.
        repository: The repository that will serve the blobs; it need not exist.
    """
    if not is_quiet(workspace, repository):
        return
    with tolerating_failed_notes(), workspace.write("registry", Durability.SOON) as connection:
        serving.note_blobs(connection, repository, workspace.now())


def is_quiet(workspace: Workspace, repository: Repository) -> bool:
    """Return whether a repository exists, and no activity was recorded for `ACTIVITY_S` seconds.

    Args:
        workspace: The opened store.
        repository: The repository; it need not exist.
    """
    since = workspace.now() - timedelta(seconds=ACTIVITY_S)
    with workspace.look() as lookup:
        return repositories.is_quiet(lookup, repository, since)


def is_readable(
    connection: Connection,
    digest: Digest,
    may_read: Callable[[Repository], bool],
    source: Repository | None,
) -> bool:
    """Return whether a repository that the client may read holds a blob.

    Args:
        connection: A read or write unit.
        digest: The digest of the blob.
        may_read: Returns whether the client may read a repository.
        source: The only repository to search; None to search all repositories.
    """
    if source is not None:
        # The time must not depend on the number of other repositories that hold the blob.
        return may_read(source) and digest in repositories.held(connection, source, (digest,))
    return any(may_read(repository_of(name)) for name in repositories.holders(connection, digest))


def mount(
    workspace: Workspace,
    repository: Repository,
    digest: Digest,
    may_read: Callable[[Repository], bool],
    *,
    source: Repository | None = None,
) -> bool:
    """Let a repository serve a blob that another repository serves.

    Args:
        workspace: The opened store.
        repository: The repository that will serve the blob.
        digest: The digest of the blob.
        may_read: Returns whether the client may read a repository.
        source: The only repository to search; None to search all repositories.

    Returns:
        Whether the repository serves the blob now. False if no repository that the client may read
        holds the blob, or if the blob is damaged or missing: then the client sends its bytes.

    Raises:
        Unavailable: The blob's file cannot be read.
    """
    # Looking at a blob's file takes time, which would tell that the store has the blob.
    with workspace.read() as connection:
        if not is_readable(connection, digest, may_read, source):
            return False
    unsound(workspace, (digest,))
    with workspace.write("mount") as connection:
        known = content.find(connection, (digest,)).get(digest)
        if (
            known is None
            or not is_readable(connection, digest, may_read, source)
            or lost(connection, workspace.blobs, (digest,))
        ):
            return False
        now = workspace.now()
        key = serving.ensure_repositories(connection, (repository,))[repository]
        serving.hold(connection, key, known.key, fresh_at=now)
        serving.note_blobs(connection, repository, now)
    return True


def adopt(
    connection: Connection, repository: Repository, digests: Iterable[Digest], *, now: datetime
) -> None:
    """Let a repository serve stored blobs. The caller has checked permission.

    Args:
        connection: A write unit.
        repository: The repository that will serve the blobs.
        digests: The digests of the blobs; missing and damaged blobs are left out.
        now: The start of their grace period.
    """
    key = serving.ensure_repositories(connection, (repository,))[repository]
    for known in content.find(connection, digests).values():
        if known.state is ContentState.PRESENT:
            serving.hold(connection, key, known.key, fresh_at=now)


def record_encodings(connection: Connection, made: Mapping[Digest, DiffID], codec: str) -> None:
    """Record the layer that each stored blob decodes to. The caller has encoded the blobs.

    Args:
        connection: A write unit.
        made: The diff ID of each blob, by the blob's digest; unknown digests are left out.
        codec: The codec of all these blobs.
    """
    known = content.find(connection, {*made, *(diff.digest for diff in made.values())})
    encodings.put_encodings(
        connection,
        [
            encodings.NewEncoding(
                known[diff.digest].key,
                known[digest].key,
                codec,
                seekable=False,
                ours=True,
                checked=True,
            )
            for digest, diff in made.items()
            if digest in known and diff.digest in known
        ],
    )
