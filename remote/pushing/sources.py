"""The protocol of the places that blobs are sent from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from contextlib import AbstractAsyncContextManager

    from store.model.digests import Descriptor, Digest


class BlobReader(Protocol):
    """The bytes of one blob. They are read again from an earlier position if an upload resumes."""

    def chunks(self, offset: int) -> AsyncIterator[bytes]:
        """Return the bytes from a position to the end, in pieces of any size.

        The last piece comes only after the digest of all bytes was found right. So an upload with
        wrong bytes never ends.

        Args:
            offset: The position of the first byte: 0, or not after the last byte that was read.

        Raises:
            StoreError: The bytes cannot be read, or do not have the digest.
        """
        ...


class BlobSource(Protocol):
    """The blobs of images that are sent somewhere else."""

    async def require(self, blobs: Collection[Descriptor]) -> None:
        """Check that the bytes of blobs can be read, as far as that is known without reading them.

        Args:
            blobs: The blobs that are going to be sent.

        Raises:
            StoreError: The bytes of a blob are missing, or known to be damaged.
        """
        ...

    def open(self, blob: Descriptor) -> AbstractAsyncContextManager[BlobReader]:
        """Open the bytes of a blob.

        Args:
            blob: The blob.
        """
        ...

    def origins(self, digest: Digest, registry: str) -> Collection[str]:
        """Return the repositories of a registry that probably hold a blob, the best ones first.

        Args:
            digest: The digest of the blob.
            registry: The registry, as references name it.
        """
        ...
