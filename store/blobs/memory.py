"""Blobs in memory: the contract of `store.blobs.protocol.BlobStore` in code.

For tests: nothing here outlives the process.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, NoReturn, final

from store.errors import ContentMissing
from store.files.os_errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.model.digests import Digest


@final
class MemoryBlobs:
    """The reference implementation of `store.blobs.protocol.BlobStore`."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}

    def open(self, digest: Digest) -> BinaryIO:
        """See `BlobStore`."""
        if digest not in self._blobs:
            raise ContentMissing(f"there is no blob {digest}", digest=digest)
        return _ReadOnly(self._blobs[digest])

    def open_if_cached(self, digest: Digest) -> BinaryIO | None:
        """See `BlobStore`."""
        return self.open(digest) if digest in self._blobs else None

    def size(self, digest: Digest) -> int | None:
        """See `BlobStore`."""
        return len(self._blobs[digest]) if digest in self._blobs else None

    def publish(self, staged: Iterable[tuple[Path, Digest]]) -> None:
        """See `BlobStore`."""
        for source, digest in staged:
            with translated(source):
                self._blobs[digest] = source.read_bytes()
                source.unlink()

    def remove(self, digest: Digest) -> int:
        """See `BlobStore`."""
        return len(self._blobs.pop(digest, b""))

    def digests(self) -> Iterator[Digest]:
        """See `BlobStore`."""
        yield from tuple(self._blobs)


@final
class _ReadOnly(io.BytesIO):
    """Bytes that can only be read, as a file opened for reading."""

    def writable(self) -> bool:
        return False

    def write(self, _data: object, /) -> NoReturn:
        raise io.UnsupportedOperation("write")
