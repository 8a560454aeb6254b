"""Blobs as files on one file system: ``blobs/<algorithm>/<first two hex digits>/<hex>``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.blobs.cached_open import open_cached
from store.errors import ContentMissing, InvalidDigest, Unavailable
from store.files.durable import sync_folder
from store.files.os_errors import translated
from store.model.digests import Digest
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BLOBS: Final = "blobs"


@final
class DirectoryBlobs:
    """The durable `store.blobs.protocol.BlobStore`."""

    def __init__(self, root: Path) -> None:
        self._root = root / BLOBS

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, whether or not it is there."""
        return self._root / digest.algorithm / digest.hex[:2] / digest.hex

    def open(self, digest: Digest) -> BinaryIO:
        """See `BlobStore`."""
        path = self.path(digest)
        with translated(path):
            try:
                return path.open("rb", buffering=0)
            except FileNotFoundError:
                raise ContentMissing(
                    f"the file of {digest} is missing from the store",
                    digest=digest,
                    hint="import an archive that holds it again",
                    remedy=Remedy.CHECK_STORE,
                ) from None

    def open_if_cached(self, digest: Digest) -> BinaryIO | None:
        """See `BlobStore`."""
        return open_cached(self.path(digest))

    def size(self, digest: Digest) -> int | None:
        """See `BlobStore`."""
        path = self.path(digest)
        with translated(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def publish(self, staged: Iterable[tuple[Path, Digest]]) -> None:
        """See `BlobStore`: rename, then fsync every folder on the way to a new name."""
        touched: set[Path] = set()
        for source, digest in staged:
            target = self.path(digest)
            with translated(target):
                if not target.parent.is_dir():
                    target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
            # Those above too, although they may be old: whoever made them may have been killed
            # before they were durable.
            touched.update((target.parent, target.parent.parent, self._root))
        for folder in touched:
            sync_folder(folder)

    def remove(self, digest: Digest) -> int:
        """See `BlobStore`."""
        path = self.path(digest)
        with translated(path):
            try:
                freed = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0
        return freed

    def digests(self) -> Iterator[Digest]:
        """See `BlobStore`. A file whose name is no digest is not ours and is left alone."""
        for algorithm in _folders(self._root):
            for fan in _folders(algorithm.path):
                for entry in _entries(fan.path):
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
    """Blobs are published by rename, which cannot cross file systems.

    Raises Unavailable when a folder of the store is a mount of its own.
    """
    device = root.stat().st_dev
    for name in (BLOBS, "staging", "uploads"):
        folder = root / name
        if folder.is_dir() and folder.stat().st_dev != device:
            raise Unavailable(
                f"{folder} lies on another file system than {root}",
                hint="the whole store must lie on one file system",
            )
