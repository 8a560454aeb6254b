"""The blobs of a registry: find them in the catalogue, check them on disk, and open them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, BinaryIO, Self, final

from store.catalog import content, repositories
from store.content.blocks import open_blocks
from store.content.presence import (
    excluding,
    missing_files,
    open_if_intact,
)
from store.content.whole_check import CheckedBlocks
from store.errors import ContentNotFound
from store.formats.distribution.names import BY_ID
from store.model.contents import ContentState, Sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from store.blobs.protocol import OpenBlob
    from store.content.blocks import Blocks
    from store.model.digests import Digest
    from store.model.references import Repository
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)


@final
class ServedBlob:
    """A blob that a repository serves. The caller has to close this object.

    Attributes:
        digest: The blob's digest.
        size_bytes: The blob's size in bytes.
    """

    def __init__(self, workspace: Workspace, sources: Sources, blob: OpenBlob | None) -> None:
        self._workspace = workspace
        self._sources = sources
        self._blob = blob
        self.digest = sources.digest
        self.size_bytes = sources.size_bytes

    @property
    def file(self) -> BinaryIO | None:
        """The open file that holds exactly these bytes, for ``sendfile``.

        None if there is no such file. Then read the bytes from `blocks`.
        """
        return None if self._blob is None else self._blob.as_file()

    def blocks(self, *, whole: bool, owner: str = "") -> Blocks:
        """Open the blob for reading in blocks. This may wait for a disk.

        Args:
            whole: Whether the caller reads the blob from its first byte to its last. Then bytes
                decoded from a foreign encoding are hashed while they are read. If the caller reads
                only a part, a foreign encoding is checked as a whole first, once.
            owner: The client that reads. Clients share the memory for decoders fairly.

        Returns:
            The bytes, to be closed by the caller.

        Raises:
            DamagedContent: The blob was found damaged before, or is found damaged now.
            ContentMissing: A file is missing.
        """
        blobs, memory = self._workspace.blobs, self._workspace.decoding.transfers
        if not whole:
            proven = self._workspace.prover.prove(self._sources)
            return open_blocks(blobs, proven, memory, owner)
        blocks = open_blocks(blobs, self._sources, memory, owner)
        return CheckedBlocks(blocks, self._sources) if self._sources.is_foreign else blocks

    def close(self) -> None:
        """Close the file."""
        if self._blob is not None:
            self._blob.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


@final
class ServedBlobs:
    """The blobs of a store's repositories. Threads may share this object.

    A damaged or missing blob counts as not held, so a client that has the blob pushes it again.

    Args:
        workspace: The opened store.
        on_damage: Called with the digest of each file that is found missing.
    """

    def __init__(self, workspace: Workspace, on_damage: Callable[[Digest], None]) -> None:
        self._workspace = workspace
        self._on_damage = on_damage
        self._reported: set[Digest] = set()

    def find(self, repository: Repository, digest: Digest) -> Sources | None:
        """Find a blob with one look-up, so that an event loop need not wait.

        Args:
            repository: The repository that serves the blob.
            digest: The digest of the blob.

        Returns:
            The form in which the blob is most likely stored; None if more look-ups are needed.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        if repository == BY_ID:
            return None
        with self._workspace.look() as connection:
            found = repositories.held_blob(connection, repository, digest)
        if found is None:
            raise unknown_blob(repository, digest)
        return Sources(
            digest,
            found.size_bytes,
            ContentState.PRESENT,
            None,
            in_file=found.in_file,
            encodings=(),
        )

    def open(
        self, repository: Repository, digest: Digest, likely: Sources | None = None
    ) -> ServedBlob:
        """Open a blob. This may wait for a disk.

        Args:
            repository: The repository that serves the blob.
            digest: The digest of the blob.
            likely: What `find` has returned for this request.

        Raises:
            ContentNotFound: The repository does not hold the blob.
        """
        file = None if likely is None else open_if_intact(self._workspace.blobs, likely)
        if likely is not None and file is not None:
            return ServedBlob(self._workspace, likely, file)
        sources = self.sources(repository, digest)
        return ServedBlob(self._workspace, sources, open_if_intact(self._workspace.blobs, sources))

    def sources(self, repository: Repository, digest: Digest) -> Sources:
        """Return the stored forms of a blob, without the forms whose files are missing.

        Nothing is recorded about a missing file: it is looked for again at the next request.

        Args:
            repository: The repository that serves the blob.
            digest: The digest of the blob.

        Raises:
            ContentNotFound: The repository does not hold the blob.
            Unavailable: The files cannot be looked at.
        """
        with self._workspace.read() as connection:
            if not _is_held(connection, repository, digest):
                raise unknown_blob(repository, digest)
            sources = content.sources(connection, (digest,))[digest]
        missing = missing_files(self._workspace.blobs, sources)
        if not missing:
            self._reported.discard(digest)
            return sources
        for one in missing - self._reported:
            logger.error("the file of digest=%s is missing or cut short", one)
            self._on_damage(one)
        self._reported |= missing
        remaining = excluding(sources, missing)
        if remaining is None:
            raise unknown_blob(repository, digest)
        return remaining


def _is_held(connection: Connection, repository: Repository, digest: Digest) -> bool:
    if repository == BY_ID:
        return repositories.kept_without_name(connection, digest)
    return digest in repositories.held(connection, repository, (digest,))


def unknown_blob(repository: Repository, digest: Digest) -> ContentNotFound:
    """Return the error for a blob that a repository does not hold.

    Args:
        repository: The repository, for the message.
        digest: The digest of the blob.
    """
    return ContentNotFound(f"{repository} holds no blob {digest}", digest=digest)
