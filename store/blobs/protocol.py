"""The contract of blob stores: a blob store keeps the bytes of blobs under locations."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from store.model.digests import Digest, Location


class OpenBlob(Protocol):
    """The bytes of one blob, open for reading until it is closed.

    An open blob stays readable to its end, even if its location is replaced or removed. Several
    threads may call `pread` and `pread_into` at once. `read` moves a position, so only one thread
    at a time may call it. Errors of the blob store (a failing disk, a lost connection) are raised
    as `store.errors.Unavailable`.
    """

    @property
    def size(self) -> int:
        """The size of the stored bytes; the size of a damaged blob may be wrong."""

    @property
    def stamp(self) -> object:
        """A value that is different after the blob was replaced, or its bytes were changed."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes.

        Args:
            size: Number of bytes, at most 1 GiB; negative for all remaining bytes.

        Returns:
            The bytes; fewer than ``size`` bytes only at the end of the blob.
        """

    def pread(self, offset: int, size: int, /) -> bytes:
        """Return bytes from any offset, without moving the position of `read`.

        Args:
            offset: Offset of the first byte from the start of the blob.
            size: Number of bytes, at most 1 GiB.

        Returns:
            The bytes; fewer than ``size`` bytes only at the end of the blob.
        """

    def pread_into(self, offset: int, buffer: bytearray | memoryview, /) -> int:
        """Read bytes from any offset into the caller's memory.

        Args:
            offset: Offset of the first byte from the start of the blob.
            buffer: Receives the bytes, from its start.

        Returns:
            The number of bytes read; less than the buffer's size only at the end of the blob.
        """

    def as_file(self) -> BinaryIO | None:
        """Return the regular file that holds exactly this blob, if there is one.

        From a file, the kernel can copy and send bytes itself (``copy_file_range``, ``sendfile``).
        The file belongs to this object. Do not close it, and do not use it after this object is
        closed.

        Returns:
            The file, unbuffered; None if this blob is not in a file of its own.
        """

    def close(self) -> None:
        """Release the blob."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_exc: object) -> None: ...


class BlobStore(Protocol):
    """A store of bytes under locations. A blob never changes after it was published.

    A blob store needs no locks of its own: blobs may be read at any time, during any other call. A
    blob store does not compute digests: `store.content` verifies the bytes that it reads, and files
    are hashed before they are published.

    `store.blobs.memory` is the reference implementation, and ``tests/contracts/test_blob_store.py``
    tests every implementation. Errors (no room, no permission, a failing disk) are raised as
    `store.errors.Unavailable`.
    """

    @property
    def reuses_locations(self) -> bool:
        """Whether a blob gets the same location as before when it is published again.

        The answer decides which calls need a write unit (docs/architecture.md, "Publish" and
        "Collect"). If locations are reused, as in a folder of files named by their digest, call
        `publish` and `remove` inside the write unit that has just looked at the rows. Otherwise
        another process may publish at the same location between the query and the call. If each
        location is used once, call `publish` and `remove` outside of units, and change only rows
        inside.
        """

    def location(self, digest: Digest) -> Location:
        """Return the location of a blob, whether or not it is stored.

        The location depends only on the digest. A blob store that uses each location once would
        have to keep its locations in the catalogue instead.
        """

    def digest(self, location: Location) -> Digest:
        """Return the digest of the blob that belongs at ``location``.

        Args:
            location: A location that `location` or `locations` has returned.
        """

    def open(self, location: Location) -> OpenBlob | None:
        """Open a blob for reading.

        Returns:
            The open blob, at its first byte; None if there is no such blob.
        """

    def size(self, location: Location) -> int | None:
        """Return the size of a blob in bytes, or None if there is no such blob."""

    def is_touched(self, location: Location, since: datetime) -> bool:
        """Return whether the bytes of a blob may have been changed after it was published.

        Args:
            location: The location of a blob. False if there is no such blob.
            since: When the blob was published: after its last byte was written, and at most a
                minute before it was moved to its location.
        """

    def publish(self, staged: Iterable[tuple[Path, Location]]) -> None:
        """Turn staged files into durable blobs: after this call, no crash loses them.

        Each file is moved, so its path no longer exists after the call. A blob that exists is
        replaced as a whole: readers never find it missing or incomplete. `reuses_locations` says
        whether this must be called inside a write unit.

        Args:
            staged: Paths of local files, each with the location of the blob. The files are
                published one after another. If one file fails, the files before it are blobs
                already, and the files after it are untouched. The caller has announced the files,
                and removes them (`store.workspace.operations`).

        Raises:
            FileNotFoundError: A path does not exist.
        """

    def remove(self, location: Location) -> int:
        """Remove a blob if it exists.

        A removal need not survive a crash: a blob that reappears after a crash has no row, so the
        next collection finds it as an orphan. `reuses_locations` says whether this must be called
        inside a write unit.

        Returns:
            The number of bytes freed; 0 if there was no such blob.
        """

    def locations(self) -> Iterator[Location]:
        """Yield the location of every blob once, in any order.

        A blob that is published or removed during the iteration may be listed or not. Foreign
        objects beside the blobs are not listed.
        """
