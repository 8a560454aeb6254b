"""A blob store in files: a blob's path is ``blobs/<algorithm>/<first two hex digits>/<hex>``."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from store.blobs.open_file import OpenFile
from store.errors import InvalidDigest, Unavailable
from store.files.creation import NO_FOLLOW, open_folder
from store.files.os_errors import translated
from store.model.digests import Digest, Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

BLOBS: Final = "blobs"
_MOVED_WITHIN_S: Final = 60
"""Seconds between the time of a publication and the last rename that belongs to it."""


@final
class DirectoryBlobs:
    """A durable blob store in a folder; implements `store.blobs.protocol.BlobStore`.

    A location is a file's path, relative to the folder of blobs. The path depends only on the
    digest.

    Args:
        root: The root of the store, which contains the folder `BLOBS`.
    """

    reuses_locations: Final = True

    def __init__(self, root: Path) -> None:
        self._store = root
        self._root = root / BLOBS
        self._durable: dict[tuple[str, ...], tuple[int, int]] = {}
        """The device and number of each folder whose entry in the folder above is durable."""

    def path(self, digest: Digest) -> Path:
        """Return the path of a blob's file, whether or not the file exists."""
        return self._root / self.location(digest)

    def location(self, digest: Digest) -> Location:
        """Return the path of a blob's file, relative to the folder of blobs."""
        return Location(f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}")

    def digest(self, location: Location) -> Digest:
        """Return the digest of the blob whose file has this path."""
        algorithm, _, name = location.split("/")
        return Digest(algorithm, name)

    def open(self, location: Location) -> OpenFile | None:
        """Open a file for reading; None if it does not exist, or if it is a symbolic link.

        Raises:
            Unavailable: The folder of blobs is missing, or the file cannot be read.
        """
        path = self._root / location
        with translated(path):
            try:
                # O_NONBLOCK: opening a FIFO does not wait for its other end.
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
            except FileNotFoundError:
                self._require_folder()
                return None
            except OSError as exc:
                if exc.errno != errno.ELOOP:
                    raise
                return None
            return OpenFile(os.fdopen(descriptor, "rb", buffering=0), path)

    def size(self, location: Location) -> int | None:
        """Return the size of a file in bytes, or None if there is no regular file.

        Raises:
            Unavailable: The folder of blobs is missing, or the file cannot be looked at.
        """
        try:
            status = os.lstat(f"{self._root}/{location}")
        except OSError as exc:
            with translated(self._root / location):
                if not isinstance(exc, FileNotFoundError):
                    raise
                self._require_folder()
                return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def is_touched(self, location: Location, since: datetime) -> bool:
        """Return whether a file was written to, replaced or restored after it was published.

        Raises:
            Unavailable: The file cannot be looked at.
        """
        try:
            status = os.lstat(f"{self._root}/{location}")
        except FileNotFoundError:
            return False
        except OSError:
            with translated(self._root / location):
                raise
        published = since.timestamp()
        # A copy that keeps the time of the last write still has a new time of change.
        return status.st_mtime > published or status.st_ctime > published + _MOVED_WITHIN_S

    def _require_folder(self) -> None:
        """Check that the folder of blobs is there: without it, nothing is known about any blob.

        Raises:
            Unavailable: The folder is missing.
        """
        if not self._root.is_dir():
            raise Unavailable(
                f"the folder {self._root} is missing",
                hint=(
                    "mount the file system of the store; if the folder is lost, create it again, so"
                    " that the missing content can be imported or pushed"
                ),
            )

    def publish(self, staged: Iterable[tuple[Path, Location]]) -> None:
        """Rename each staged file to its location, then make its name durable.

        Call this inside a write unit (see `BlobStore.reuses_locations`).

        Args:
            staged: Paths on the same file system, already synced, with their locations.

        Raises:
            FileNotFoundError: A path does not exist.
        """
        folders: set[tuple[str, ...]] = set()
        for source, location in staged:
            algorithm, fan, name = location.split("/")
            with (
                translated(self._root / location),
                open_folder(self._store, BLOBS, algorithm, fan, create=True) as parent,
            ):
                os.replace(source, name, dst_dir_fd=parent)
            folders.add((BLOBS, algorithm, fan))
        with translated(self._root):
            self._sync(folders)

    def _sync(self, folders: set[tuple[str, ...]]) -> None:
        """Make the entries of folders durable, and the entries of the folders themselves.

        The folders above are synced even if they are old: the process that made them may have been
        killed before it synced them. Once is enough, because nothing removes them. A folder that
        was made again has another number.

        Args:
            folders: The names of each folder, from the root of the store.
        """
        durable: dict[tuple[str, ...], tuple[int, int]] = {}
        while folders:
            above: set[tuple[str, ...]] = set()
            for names in folders:
                with open_folder(self._store, *names) as folder:
                    os.fsync(folder)
                    status = os.fstat(folder)
                durable[names] = (status.st_dev, status.st_ino)
                if self._durable.get(names) != durable[names] and len(names) > 1:
                    above.add(names[:-1])
            folders = above
        self._durable |= durable

    def remove(self, location: Location) -> int:
        """Unlink a file if it exists; return the number of bytes freed.

        No symbolic link is followed: of a link in place of the file, only the link is removed.

        Call this inside a write unit (see `BlobStore.reuses_locations`).
        """
        algorithm, fan, name = location.split("/")
        with translated(self._root / location), suppress(FileNotFoundError):
            with open_folder(self._store, BLOBS, algorithm, fan) as parent:
                freed = os.stat(name, dir_fd=parent, follow_symlinks=False).st_size
                os.unlink(name, dir_fd=parent)
            return freed
        return 0

    def locations(self) -> Iterator[Location]:
        """Yield the location of every blob."""
        return map(self.location, self.digests())

    def digests(self) -> Iterator[Digest]:
        """Yield the digest of every blob's file; skip foreign files, links and folders."""
        for algorithm in _folders(self._root):
            for fan in _folders(algorithm.path):
                for entry in _entries(fan.path):
                    if not entry.name.startswith(fan.name) or not entry.is_file(
                        follow_symlinks=False
                    ):
                        continue
                    try:
                        yield Digest(algorithm.name, entry.name)
                    except InvalidDigest:
                        continue


def _entries(path: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with translated(str(path)), os.scandir(path) as entries:
            yield from entries
    except FileNotFoundError:
        return


def _folders(path: Path | str) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _entries(path) if entry.is_dir(follow_symlinks=False))


def require_one_file_system(root: Path) -> None:
    """Check that the store lies on one file system, so that staged files can be renamed into place.

    Args:
        root: The root of the store.

    Raises:
        Unavailable: A folder of the store and the root are on different file systems.
    """
    device = root.stat().st_dev
    for name in (BLOBS, "staging", "uploads", "quarantine"):
        folder = root / name
        if folder.is_dir() and folder.stat().st_dev != device:
            raise Unavailable(
                f"{folder} and {root} are on different file systems",
                hint="keep the whole store on one file system",
            )
