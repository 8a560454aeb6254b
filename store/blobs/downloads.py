"""Blobs that are being downloaded, each in a file that a later process can continue.

A file in ``downloads/`` holds the first bytes of the blob whose digest is its name. While a process
writes to the file, or relies on it, the process holds its ``flock``. A file without a lock stays
for some time: the next download of the blob begins at its end. The bytes of such a file prove
nothing. A download hashes them again, and discards the file if the digest is wrong.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.blobs.folders import DOWNLOADS
from store.errors import InvalidDigest
from store.files.creation import NO_FOLLOW, create_file, is_at, open_folder
from store.files.os_errors import translated
from store.model.byte_sizes import GIB
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEPT_FOR: Final = timedelta(days=7)
"""How long the file of an interrupted download stays after its last byte."""

MAX_BYTES: Final = 64 * GIB
"""The most bytes of interrupted downloads that stay; the oldest files go first."""

_READ: Final = os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW

_NAME: Final = re.compile(r"(?P<algorithm>sha[0-9]+)-(?P<hex>[0-9a-f]+)")


@final
@dataclass(frozen=True, slots=True)
class Interrupted:
    """The file of a download that no process is working on.

    Attributes:
        digest: The digest of the whole blob.
        size_bytes: The number of bytes that were downloaded.
        until: When a collection may remove the file.
    """

    digest: Digest
    size_bytes: int
    until: datetime


@final
class Download:
    """A locked file with the first bytes of a blob; `close` releases the lock.

    Attributes:
        digest: The digest of the whole blob.
        path: The path of the file.
        file: The file, open for appending and unbuffered.
        size_bytes: The number of bytes that the file had when it was opened.
    """

    __slots__ = ("digest", "file", "path", "size_bytes")

    def __init__(self, digest: Digest, path: Path, file: BinaryIO) -> None:
        self.digest = digest
        self.path = path
        self.file = file
        self.size_bytes = os.fstat(file.fileno()).st_size

    def cut(self, size_bytes: int) -> None:
        """Shorten the file.

        Args:
            size_bytes: The number of bytes that stay.

        Raises:
            Unavailable: The file cannot be changed.
        """
        with translated(self.path):
            self.file.truncate(size_bytes)
            self.file.seek(size_bytes)
        self.size_bytes = size_bytes

    def remove(self) -> None:
        """Unlink the file if it is still at its path, and release the lock."""
        self._unlink()
        self.file.close()

    def close(self) -> None:
        """Release the lock; the file stays. A file without a byte is unlinked."""
        if not self.file.closed:
            if os.fstat(self.file.fileno()).st_size == 0:
                self._unlink()
            self.file.close()

    def _unlink(self) -> None:
        # Another download may have created a file at this path after the blob was published.
        with suppress(OSError), open_folder(self.path.parent) as folder:
            there = os.stat(self.path.name, dir_fd=folder, follow_symlinks=False)
            if os.path.samestat(there, os.fstat(self.file.fileno())):
                os.unlink(self.path.name, dir_fd=folder)


@final
class Downloads:
    """The folder ``downloads`` of one store.

    Args:
        root: The root of the store.
        kept_for: How long the file of an interrupted download stays.
        max_bytes: The most bytes of interrupted downloads that stay.
    """

    def __init__(
        self, root: Path, kept_for: timedelta = KEPT_FOR, max_bytes: int = MAX_BYTES
    ) -> None:
        self._root = root
        self._folder = root / DOWNLOADS
        self._kept_for = kept_for
        self._max_bytes = max_bytes

    def open(self, digest: Digest) -> Download | None:
        """Open the file of a blob, or create it, and lock it.

        Args:
            digest: The digest of the whole blob.

        Returns:
            The file; None while another download of the blob holds the lock.

        Raises:
            Unavailable: The file cannot be opened or created.
        """
        path = self._folder / _name(digest)
        with translated(path):
            with open_folder(self._root, DOWNLOADS, create=True):
                # Created with the mode and the owner of the store.
                pass
            while True:
                descriptor = _open_or_create(path)
                if not _lock(descriptor):
                    os.close(descriptor)
                    return None
                if is_at(path, descriptor):
                    file = os.fdopen(descriptor, "r+b", buffering=0)
                    file.seek(0, os.SEEK_END)
                    return Download(digest, path, file)
                # The process that held the lock has published or removed the file.
                os.close(descriptor)

    def read(self, digest: Digest) -> BinaryIO | None:
        """Open the file of a blob that another download is writing; None if it does not exist.

        Args:
            digest: The digest of the whole blob.

        Raises:
            Unavailable: The file cannot be opened.
        """
        path = self._folder / _name(digest)
        with translated(path):
            try:
                with open_folder(self._root, DOWNLOADS) as folder:
                    descriptor = os.open(path.name, _READ, dir_fd=folder)
            except FileNotFoundError:
                return None
            return os.fdopen(descriptor, "rb", buffering=0)

    def size_bytes(self, digest: Digest) -> int:
        """Return how many bytes of a blob are in its file; 0 if there is no file."""
        name = _name(digest)
        with translated(self._folder / name):
            try:
                with open_folder(self._root, DOWNLOADS) as folder:
                    return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
            except FileNotFoundError:
                return 0

    def interrupted(self) -> list[Interrupted]:
        """Return the files that no process is working on, those first that were written last."""
        found: list[Interrupted] = []
        for name, status in self._entries():
            digest = _digest(name)
            if digest is None or self._is_locked(name):
                continue
            written = datetime.fromtimestamp(status.st_mtime, UTC)
            found.append(Interrupted(digest, status.st_size, written + self._kept_for))
        return sorted(found, key=lambda one: (one.until, one.digest), reverse=True)

    def expired(self, now: datetime) -> list[Interrupted]:
        """Return the files that `remove_expired` would remove."""
        expired: list[Interrupted] = []
        room = self._max_bytes
        for one in self.interrupted():
            room -= one.size_bytes
            if one.until <= now or room < 0:
                expired.append(one)
        return expired

    def remove_expired(self, now: datetime) -> list[int]:
        """Remove the files that are too old, and the oldest ones above the ceiling.

        Args:
            now: The current time.

        Returns:
            The size of each removed file in bytes.
        """
        removed: list[int] = []
        for one in self.expired(now):
            # A download may have begun to use the file since it was listed.
            download = self.open(one.digest)
            if download is not None:
                removed.append(download.size_bytes)
                download.remove()
        return removed

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        with translated(self._folder):
            try:
                with open_folder(self._root, DOWNLOADS) as folder, os.scandir(folder) as entries:
                    for entry in entries:
                        with suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            if stat.S_ISREG(status.st_mode):
                                yield entry.name, status
            except FileNotFoundError:
                return

    def _is_locked(self, name: str) -> bool:
        with translated(self._folder / name):
            try:
                with open_folder(self._root, DOWNLOADS) as folder:
                    descriptor = os.open(name, _READ, dir_fd=folder)
            except FileNotFoundError:
                return True
            try:
                return not _lock(descriptor)
            finally:
                os.close(descriptor)


def _name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.hex}"


def _digest(name: str) -> Digest | None:
    match = _NAME.fullmatch(name)
    if match is not None:
        with suppress(InvalidDigest):
            return Digest(match["algorithm"], match["hex"])
    return None


def _open_or_create(path: Path) -> int:
    while True:
        with suppress(FileExistsError):
            return create_file(path, os.O_RDWR)
        with suppress(FileNotFoundError), open_folder(path.parent) as folder:
            return os.open(path.name, os.O_RDWR | os.O_NONBLOCK | NO_FOLLOW, dir_fd=folder)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
