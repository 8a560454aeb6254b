"""What every place for blobs promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.values import Digest


class BlobStore(Protocol):
    """Files named by the digest of their bytes; one never changes after the call that publishes it.

    Publishing and removing are only called inside a write transaction of the catalogue (docs/architecture.md, "Publish and collect").
    """

    def open(self, digest: Digest) -> BinaryIO:
        """The blob's bytes, unbuffered. Raises ContentMissing."""

    def size(self, digest: Digest) -> int | None:
        """The blob's size in bytes, None when there is no such blob."""

    def publish(self, staged: Iterable[tuple[Path, Digest]]) -> None:
        """Make staged files blobs, durably: when this returns, a crash loses none of them. An existing blob is replaced by the same bytes."""

    def remove(self, digest: Digest) -> int:
        """Remove a blob if it is there; the bytes that freed."""

    def digests(self) -> Iterator[Digest]:
        """Every blob there is, in no particular order."""
