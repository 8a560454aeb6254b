"""What every place for blobs promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.model.digests import Digest


class BlobStore(Protocol):
    """Bytes named by their digest; a blob never changes after the call that publishes it.

    Publishing and removing are only called inside a write transaction of the catalogue
    (docs/architecture.md, "Publish" and "Collect"), so a place for blobs needs no locks of its own.
    Reading is called at any time, beside both. Nothing here hashes: who reads verifies
    (`store.content.reader`), who stages has just hashed.

    `store.blobs.memory` is this contract in code; ``tests/contracts/test_blob_store.py`` holds
    every implementation to it. What the place itself refuses (no room, no permission, a failing
    disk) is raised as a branch of Unavailable.
    """

    def open(self, digest: Digest) -> BinaryIO:
        """The blob's bytes from the first one on: unbuffered, read-only, seekable from either end.

        ``read(n)`` gives fewer than ``n`` bytes (up to 1 GiB) only where the blob ends. An open
        blob stays readable to its end whatever is published over it or removed meanwhile. Raises
        ContentMissing, with the digest.
        """

    def open_if_cached(self, digest: Digest) -> BinaryIO | None:
        """The same without waiting for a disk.

        None when there is no such blob, or that cannot be told at once.
        """

    def size(self, digest: Digest) -> int | None:
        """The blob's size in bytes, None when there is no such blob."""

    def publish(self, staged: Iterable[tuple[Path, Digest]]) -> None:
        """Make staged files blobs, durably: when this returns, a crash loses none of them.

        Each file is consumed: its path is gone afterwards. An existing blob is replaced whole: by
        the same bytes, or by sound ones where it was damaged; at no moment is it missing or half
        there. The pairs are taken in order; when one fails (FileNotFoundError for a path that is
        not there), those before it are blobs already and those after it are untouched. Taking them
        back is the caller's: it has announced their digests (`store.workspace.operations`).
        """

    def remove(self, digest: Digest) -> int:
        """Remove a blob if it is there; how many bytes that freed, 0 when there was none.

        A removal need not outlive a crash: what comes back has no row and is found as an orphan.
        """

    def digests(self) -> Iterator[Digest]:
        """Every blob there is, once, in no particular order.

        What is published or removed while this runs may be listed or not. What is not named by a
        digest is not a blob and is left alone.
        """
