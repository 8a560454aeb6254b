"""The protocol of a repository that images are copied from, and the bytes of blobs in files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, final

from store.files.os_errors import Whose, translated
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from remote.registry.values import ManifestDocument, ManifestReference
    from store.formats.image.manifests import Link
    from store.model.digests import Descriptor, Digest


_CHUNK_BYTES: Final = MIB


class BlobBytes(Protocol):
    """The bytes of an open blob.

    Attributes:
        start: The offset of the first byte that is given.
    """

    start: int

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to the end of the blob."""
        ...


class ImageRepository(Protocol):
    """A repository of a registry, or in the files of a registry.

    Attributes:
        registry: The registry, for messages.
        name: The path of the repository.
    """

    registry: str
    name: str

    async def manifest(self, reference: ManifestReference) -> ManifestDocument:
        """Return a manifest or index: its exact bytes, whose digest is right.

        Args:
            reference: A tag or a digest.

        Raises:
            NotFound: The repository does not have the manifest.
        """
        ...

    def open_blob(
        self, descriptor: Descriptor, *, offset: int = 0
    ) -> AbstractAsyncContextManager[BlobBytes]:
        """Open a blob for reading. Its digest is not checked.

        Args:
            descriptor: The blob's digest and size.
            offset: The first byte to read.

        Raises:
            NotFound: The repository does not have the blob.
        """
        ...

    def referrers(self, digest: Digest) -> AsyncIterator[Link]:
        """Yield the manifests that refer to a manifest.

        Args:
            digest: The digest of the other manifest.
        """
        ...


@final
class FileBytes:
    """The bytes of a file from an offset to its end; threads read them.

    Args:
        file: The open file.
        start: The offset of the first byte.
        name: The name of the file, for errors.
    """

    def __init__(self, file: BinaryIO, start: int, name: str) -> None:
        self.start = start
        self._file = file
        self._name = name

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._file.seek(self.start)
        while piece := await asyncio.to_thread(self._read):
            yield piece

    def _read(self) -> bytes:
        with translated(self._name, whose=Whose.INPUT):
            return self._file.read(_CHUNK_BYTES)
