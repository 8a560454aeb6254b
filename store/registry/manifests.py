"""The manifests of a registry: find them by tag or digest, read and verify them."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import content, repositories
from store.content.stored import damaged
from store.errors import (
    ContentMissing,
    ContentNotFound,
    DamagedContent,
    ReferenceNotFound,
    printable,
)
from store.formats.distribution.names import BY_ID
from store.model.contents import ContentState, Sources
from store.model.digests import Digest
from store.registry.repositories import require_repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from store.catalog.in_progress.pushes import KnownContent
    from store.catalog.repositories import HeldManifest
    from store.model.references import Repository
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True)
class ServedManifest:
    """A manifest or index, with its exact bytes."""

    digest: Digest
    media_type: str
    data: bytes


@final
class ServedManifests:
    """The manifests of a store's repositories. Threads may share this object.

    A damaged manifest counts as not held, so a client that has the manifest pushes it again.

    Args:
        workspace: The opened store.
        on_damage: Called with the digest of each manifest that is found damaged or missing.
    """

    def __init__(self, workspace: Workspace, on_damage: Callable[[Digest], None]) -> None:
        self._workspace = workspace
        self._on_damage = on_damage

    def get(self, repository: Repository, target: str | Digest) -> ServedManifest:
        """Return a manifest or index. This may wait for a disk.

        Args:
            repository: The repository that serves the manifest.
            target: A tag or a digest.

        Raises:
            RepositoryNotFound: There is no such repository.
            ReferenceNotFound: The repository does not have the tag, or its manifest is damaged.
            ContentNotFound: The repository does not hold the digest, or the manifest is damaged.
        """
        with self._workspace.read() as connection:
            found = _find(connection, repository, target)
            if found.data is not None:
                return ServedManifest(found.digest, found.media_type, found.data)
            sources = content.sources(connection, (found.digest,))[found.digest]
        try:
            return ServedManifest(found.digest, found.media_type, self.read(sources))
        except (DamagedContent, ContentMissing) as exc:
            if sources.state is ContentState.PRESENT:
                logger.error("%s", printable(exc.message))  # noqa: TRY400 - the cause is known
                self._workspace.report_damage(exc)
                self._on_damage(exc.digest)
            raise unknown_manifest(
                repository, target, because="the stored copy is damaged; push it again"
            ) from exc

    def get_if_inline(self, repository: Repository, target: str | Digest) -> ServedManifest | None:
        """Return a manifest with one look-up, so that an event loop need not wait.

        Args:
            repository: The repository that serves the manifest.
            target: A tag or a digest.

        Returns:
            The manifest; None if its bytes are not in the database, or the repository does not
            serve it. Then call `get`.
        """
        if repository == BY_ID:
            return None
        with self._workspace.look() as connection:
            found = (
                repositories.by_digest(connection, repository, target)
                if isinstance(target, Digest)
                else repositories.by_tag(connection, repository, target)
            )
        if found is None or found.data is None:
            return None
        return ServedManifest(found.digest, found.media_type, found.data)

    def read(self, sources: Sources) -> bytes:
        """Return the bytes of a document, verified.

        Args:
            sources: The stored forms of the document.

        Raises:
            DamagedContent: The document is damaged.
            ContentMissing: The document's file is missing.
        """
        if sources.state is not ContentState.PRESENT:
            raise damaged(sources.digest, "an earlier read or check found the damage")
        with self._workspace.reader() as reader:
            return b"".join(reader.chunks(sources))

    def read_held(self, known: KnownContent | None, others: Callable[[], Sources]) -> bytes:
        """Return the bytes of a document, verified; look for other forms only if this one fails.

        Args:
            known: What the catalogue knows of the document; None if nothing is known.
            others: Returns all stored forms of the document.

        Raises:
            DamagedContent: The document is damaged.
            ContentMissing: The document's file is missing.
        """
        if known is not None and known.size_bytes is not None:
            form = Sources(
                known.digest,
                known.size_bytes,
                known.state,
                known.data,
                in_file=known.file_at is not None,
                encodings=(),
            )
            with suppress(DamagedContent, ContentMissing):
                return self.read(form)
        return self.read(others())


def _find(connection: Connection, repository: Repository, target: str | Digest) -> HeldManifest:
    found = None
    if repository != BY_ID:
        found = (
            repositories.by_digest(connection, repository, target)
            if isinstance(target, Digest)
            else repositories.by_tag(connection, repository, target)
        )
        if found is None:
            require_repository(connection, repository)
    elif isinstance(target, Digest) and repositories.kept_without_name(connection, target):
        found = repositories.manifest_of(connection, target)
    if found is None:
        raise unknown_manifest(repository, target)
    return found


def unknown_manifest(
    repository: Repository, target: str | Digest, *, because: str = ""
) -> ReferenceNotFound | ContentNotFound:
    """Return the error for a manifest that a repository does not serve.

    Args:
        repository: The repository, for the message.
        target: The requested tag or digest.
        because: A reason that is added to the message; empty for none.
    """
    reason = because and f": {because}"
    if isinstance(target, Digest):
        return ContentNotFound(f"{repository} holds no manifest {target}{reason}", digest=target)
    return ReferenceNotFound(f"{repository} has no tag {target}{reason}")
