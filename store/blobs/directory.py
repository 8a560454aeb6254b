"""A blob store in files: a blob's path is ``blobs/<algorithm>/<first two hex digits>/<hex>``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, final

from store.blobs.cached_open import open_cached
from store.blobs.open_file import OpenFile
from store.errors import InvalidDigest, Unavailable
from store.files.durable import sync_folder
from store.files.os_errors import translated
from store.model.digests import Digest, Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BLOBS: Final = "blobs"


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
        self._root = root / BLOBS

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
        """Open a file for reading; None if it does not exist."""
        path = self._root / location
        with translated(path):
            try:
                return OpenFile(path.open("rb", buffering=0), path)
            except FileNotFoundError:
                return None

    def open_if_cached(self, location: Location) -> OpenFile | None:
        """Open a file for reading; None if it does not exist, or the kernel would read the disk."""
        path = self._root / location
        file = open_cached(path)
        return None if file is None else OpenFile(file, path)

    def size(self, location: Location) -> int | None:
        """Return the size of a file in bytes, or None if it does not exist."""
        path = self._root / location
        with translated(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def publish(self, staged: Iterable[tuple[Path, Location]]) -> None:
        """Rename each staged file to its location, then fsync the folders above it, up to the root.

        Call this inside a write unit (see `BlobStore.reuses_locations`).

        Args:
            staged: Paths on the same file system, already synced, with their locations.

        Raises:
            FileNotFoundError: A path does not exist.
        """
        touched: set[Path] = set()
        for source, location in staged:
            target = self._root / location
            with translated(target):
                if not target.parent.is_dir():
                    target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
            # Sync all folders up to the root, even if they are old: the process that made them may
            # have been killed before it synced them.
            touched.update((target.parent, target.parent.parent, self._root))
        for folder in touched:
            sync_folder(folder)

    def remove(self, location: Location) -> int:
        """Unlink a file if it exists; return the number of bytes freed.

        Call this inside a write unit (see `BlobStore.reuses_locations`).
        """
        path = self._root / location
        with translated(path):
            try:
                freed = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0
        return freed

    def locations(self) -> Iterator[Location]:
        """Yield the location of every blob."""
        return map(self.location, self.digests())

    def digests(self) -> Iterator[Digest]:
        """Yield the digest of every blob's file; skip foreign files."""
        for algorithm in _folders(self._root):
            for fan in _folders(algorithm.path):
                for entry in _entries(fan.path):
                    if not entry.name.startswith(fan.name):
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
    for name in (BLOBS, "staging", "uploads"):
        folder = root / name
        if folder.is_dir() and folder.stat().st_dev != device:
            raise Unavailable(
                f"{folder} and {root} are on different file systems",
                hint="keep the whole store on one file system",
            )
