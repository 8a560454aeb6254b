"""The contract of a blob store: a place that keeps bytes under locations."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.model.digests import Digest, Location


class OpenBlob(Protocol):
    """The bytes of one blob, open for reading until it is closed.

    An open blob stays readable to its end, whatever is published at its location or removed
    meanwhile. `pread` and `pread_into` may be called from several threads at once; `read`, which
    moves a position, from one at a time. What the blob store refuses (a failing disk, a lost
    connection) is raised as a branch of `store.errors.Unavailable`.
    """

    @property
    def size(self) -> int:
        """The size of the stored bytes; it differs from the catalogue's if the blob was damaged."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes.

        Args:
            size: How many bytes, at most 1 GiB; negative for all that follow.

        Returns:
            Fewer than ``size`` bytes only at the end of the blob.
        """

    def pread(self, offset: int, size: int, /) -> bytes:
        """Return bytes from anywhere, without moving the position of `read`.

        Args:
            offset: Where they begin, in bytes from the start of the blob.
            size: How many bytes, at most 1 GiB.

        Returns:
            Fewer than ``size`` bytes only at the end of the blob.
        """

    def pread_into(self, offset: int, buffer: bytearray | memoryview, /) -> int:
        """Read bytes from anywhere into memory of the caller's.

        Args:
            offset: Where they begin, in bytes from the start of the blob.
            buffer: Filled from its start.

        Returns:
            How many bytes were read: fewer than the buffer holds only at the end of the blob.
        """

    def as_file(self) -> BinaryIO | None:
        """Return the regular file that holds exactly this blob, if there is one.

        With a file the kernel can copy and send bytes itself (``copy_file_range``, ``sendfile``).
        It belongs to this object: do not close it, and do not use it afterwards.

        Returns:
            The file, unbuffered; None where blobs do not lie in files, and every caller reads.
        """

    def close(self) -> None:
        """Release the blob."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_exc: object) -> None: ...


class BlobStore(Protocol):
    """Bytes kept under locations; a blob never changes after the call that publishes it.

    A blob store needs no locks of its own. Blobs are read at any time, beside all other calls. It
    hashes nothing either: `store.content` verifies what it reads, and a file is hashed while it is
    staged.

    `store.blobs.memory` is this contract in code; ``tests/contracts/test_blob_store.py`` holds
    every implementation to it. What the blob store refuses (no room, no permission, a failing disk)
    is raised as a branch of `store.errors.Unavailable`.
    """

    @property
    def reuses_locations(self) -> bool:
        """Whether a content that is published again gets the location that it had before.

        It decides which calls need a write unit (docs/architecture.md, "Publish" and "Collect").
        Where locations are reused, as in a folder of files named by their digest, both `publish`
        and `remove` must be called inside the write unit that has just looked at the rows: another
        process may publish at the same location between the look and the call. Where each location
        is used once, both are called outside of units, and only rows change inside.
        """

    def location(self, digest: Digest) -> Location:
        """Return the location of a content, whether or not it is stored.

        A pure function of the digest. An engine that gives each publication a location of its own
        will keep it in the catalogue instead.
        """

    def digest(self, location: Location) -> Digest:
        """Return the digest of the content that belongs at ``location``.

        Args:
            location: What `location` or `locations` has returned.
        """

    def open(self, location: Location) -> OpenBlob | None:
        """Open a blob for reading.

        Returns:
            The open blob, at its first byte; None if there is no such blob.
        """

    def open_if_cached(self, location: Location) -> OpenBlob | None:
        """Open a blob without waiting for a disk or a network, so that an event loop may call it.

        Returns:
            The open blob; None if there is no such blob, or if telling would mean to wait.
        """

    def size(self, location: Location) -> int | None:
        """Return the size of a blob in bytes, or None if there is no such blob."""

    def publish(self, staged: Iterable[tuple[Path, Location]]) -> None:
        """Make staged files blobs, durably: when this returns, a crash loses none of them.

        Each file is consumed: its path is gone afterwards. A blob that exists is replaced as a
        whole, by the same bytes or by sound ones where it was damaged; at no moment is it missing
        or incomplete. `reuses_locations` says whether this must be called inside a write unit.

        Args:
            staged: Paths of local files, each with the location where its bytes belong. They are
                published in order. When one fails, the files before it are blobs already and the
                files after it are untouched; the caller takes them back, for it has announced them
                (`store.workspace.operations`).

        Raises:
            FileNotFoundError: A path does not exist.
        """

    def remove(self, location: Location) -> int:
        """Remove a blob if it is there.

        A removal need not survive a crash: the blob that comes back has no row, and collection
        finds it as an orphan. `reuses_locations` says whether this must be called inside a write
        unit.

        Returns:
            How many bytes that freed; 0 if there was no such blob.
        """

    def locations(self) -> Iterator[Location]:
        """Yield the location of every blob once, in no particular order.

        A blob that is published or removed meanwhile may be listed or not. Foreign objects beside
        the blobs are not listed.
        """
