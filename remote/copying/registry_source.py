"""The blobs of a repository, as a source of what is sent to another place."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, final

from remote.errors import FalseAnswer
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from remote.copying.image_repository import ImageRepository
    from store.model.digests import Descriptor


@final
class RegistryBlobs:
    """The blobs of one repository. Their bytes are streamed and hashed, and never kept.

    Args:
        repository: The repository.
    """

    def __init__(self, repository: ImageRepository) -> None:
        self._repository = repository

    def origins(self, digest: Digest, registry: str) -> Collection[str]:
        """Return the repository itself, if it is in this registry."""
        del digest
        return (self._repository.name,) if registry == self._repository.registry else ()

    async def require(self, blobs: Collection[Descriptor]) -> None:
        """Do nothing: a registry promises the blobs of the manifests that it has."""

    @asynccontextmanager
    async def open(self, blob: Descriptor) -> AsyncIterator[_Streamed]:
        """Open the bytes of a blob; the first request is sent when they are read."""
        yield _Streamed(self._repository, blob)


@final
class _Streamed:
    """The bytes of a blob. They are requested again, from the right position, when needed."""

    def __init__(self, repository: ImageRepository, blob: Descriptor) -> None:
        self._repository = repository
        self._blob = blob
        self._hash = hashlib.new(blob.digest.algorithm, usedforsecurity=False)
        self._hashed = 0

    async def chunks(self, offset: int) -> AsyncIterator[bytes]:
        """Return the bytes from a position to the end."""
        position = offset
        if not self._blob.size_bytes:
            self._require_digest()
        async with self._repository.open_blob(self._blob, offset=offset) as body:
            skipped = offset - body.start
            async for chunk in body:
                data = chunk
                if skipped > 0:
                    # The registry does not support ranges, and begins with the first byte.
                    data = chunk[skipped:]
                    skipped -= len(chunk)
                    if not data:
                        continue
                self._see(position, data)
                position += len(data)
                if position == self._blob.size_bytes:
                    self._require_digest()
                yield data

    def _see(self, position: int, data: bytes) -> None:
        if position <= self._hashed < position + len(data):
            self._hash.update(data[self._hashed - position :])
            self._hashed = position + len(data)

    def _require_digest(self) -> None:
        """Raise if all bytes were read, and do not have the digest.

        Raises:
            FalseAnswer: The registry has sent other bytes.
        """
        found = Digest(self._blob.digest.algorithm, self._hash.hexdigest())
        if found != self._blob.digest:
            raise FalseAnswer(
                f"{self._repository.registry}/{self._repository.name} sent other bytes for"
                f" {self._blob.digest}: their digest is {found}",
                registry=self._repository.registry,
                repository=self._repository.name,
            )
