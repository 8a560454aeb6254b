"""The files of a registry's storage, opened without following any symbolic link.

Source: distribution, registry/storage/paths.go.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self, final

from store.errors import InvalidInput, TooLarge, UnsafePath, printable
from store.files.os_errors import Whose, translated
from store.model.limits import TreeLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.model.digests import Digest

REPOSITORIES: Final = "repositories"
BLOBS: Final = "blobs"

_FOLDER: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO does not wait for its other end.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_A_FILE: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENXIO})
_ROOTS: Final = ("docker/registry/v2", "registry/v2", "v2", ".")
"""Where the storage begins below the folder that the user names."""


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a folder.

    Attributes:
        name: Its name.
        is_folder: Whether it is a folder.
        is_link: Whether it is a symbolic link.
    """

    name: str
    is_folder: bool
    is_link: bool


@final
class Tree:
    """The storage of a registry, opened for reading. Use it as a context manager.

    Args:
        path: The folder that the user named: ``docker/registry/v2``, or one above it.
        limits: Ceilings for what is read.

    Raises:
        InvalidInput: The folder does not hold the storage of a registry.
        Unavailable: The folder cannot be read.
    """

    def __init__(self, path: Path, limits: TreeLimits | None = None) -> None:
        self.path = path
        self.limits = limits or TreeLimits()
        self._root = os.open(_storage(path), _FOLDER)
        self._algorithms: dict[str, int | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folders."""
        for descriptor in (self._root, *self._algorithms.values()):
            if descriptor is not None:
                os.close(descriptor)
        self._algorithms = {}

    @property
    def has_names_in_database(self) -> bool:
        """Whether the registry keeps names in a database, so that those in the files may be old.

        GitLab's registry marks its storage with this file.
        """
        try:
            os.stat("../lockfiles/database-in-use", dir_fd=self._root, follow_symlinks=False)
        except OSError:
            return False
        return True

    @contextmanager
    def folder(self, *names: str) -> Iterator[int]:
        """Open a folder; yield its descriptor.

        Args:
            names: The parts of the path from the root of the storage.

        Raises:
            FileNotFoundError: It does not exist.
            UnsafePath: A part of the path is a symbolic link, or is not a folder.
            Unavailable: It cannot be read.
        """
        descriptor = os.dup(self._root)
        try:
            with self._translated(*names):
                for name in names:
                    inner = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=descriptor)
                    os.close(descriptor)
                    descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def entries(self, *names: str) -> list[Entry]:
        """Return the entries of a folder, sorted by name; an absent folder has none.

        Args:
            names: The parts of the path from the root of the storage.

        Raises:
            UnsafePath: A part of the path is a symbolic link, or is not a folder.
            TooLarge: The folder has more entries than the limits allow.
            Unavailable: It cannot be read.
        """
        found: list[Entry] = []
        try:
            with (
                self.folder(*names) as descriptor,
                self._translated(*names),
                os.scandir(descriptor) as listed,
            ):
                for entry in listed:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    found.append(Entry(entry.name, is_folder, entry.is_symlink()))
                    if len(found) > self.limits.entries:
                        raise TooLarge(
                            f"the folder {self.shown(*names)} has more than"
                            f" {self.limits.entries} entries",
                            limit=self.limits.entries,
                        )
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda entry: os.fsencode(entry.name))

    def read_link(self, folder: int, *names: str) -> bytes | None:
        """Return the bytes of a link file, one more than the ceiling at most.

        Args:
            folder: The descriptor of a folder.
            names: The path of the file from there.

        Returns:
            None if the file does not exist.

        Raises:
            UnsafePath: A part of the path is a symbolic link, or the file is not a regular file.
            Unavailable: The file cannot be read.
        """
        file = self._open(folder, *names)
        if file is None:
            return None
        with file, self._translated(*names):
            return file.read(self.limits.link_bytes + 1)

    def open_blob(self, digest: Digest) -> BinaryIO | None:
        """Open the bytes of a blob; None if they are absent.

        Args:
            digest: The digest of the blob.

        Raises:
            UnsafePath: A part of the path is a symbolic link, or the file is not a regular file.
            Unavailable: The file cannot be read.
        """
        algorithm = self._algorithm(digest.algorithm)
        if algorithm is None:
            return None
        return self._open(algorithm, digest.hex[:2], digest.hex, "data")

    def blob_size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes; None if its bytes are absent.

        Args:
            digest: The digest of the blob.

        Raises:
            UnsafePath: A part of the path is a symbolic link, or the file is not a regular file.
            Unavailable: The file cannot be looked at.
        """
        file = self.open_blob(digest)
        if file is None:
            return None
        with file:
            return os.fstat(file.fileno()).st_size

    def shown(self, *names: str) -> str:
        """Return a path below the storage for messages."""
        return printable("/".join(names)[:300])

    def _algorithm(self, name: str) -> int | None:
        if name not in self._algorithms:
            try:
                with self.folder(BLOBS, name) as descriptor:
                    self._algorithms[name] = os.dup(descriptor)
            except FileNotFoundError:
                self._algorithms[name] = None
        return self._algorithms[name]

    def _open(self, folder: int, *names: str) -> BinaryIO | None:
        above = folder
        *folders, last = names
        with self._translated(*names):
            try:
                for name in folders:
                    inner = os.open(name, os.O_PATH | _FOLDER, dir_fd=above)
                    if above != folder:
                        os.close(above)
                    above = inner
                descriptor = os.open(last, _FILE, dir_fd=above)
            except FileNotFoundError:
                return None
            finally:
                if above != folder:
                    os.close(above)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnsafePath("not a regular file", member=self.shown(*names))
        return os.fdopen(descriptor, "rb", buffering=0)

    @contextmanager
    def _translated(self, *names: str) -> Iterator[None]:
        shown = self.shown(*names)
        with translated(self.path / shown, whose=Whose.INPUT):
            try:
                yield
            except OSError as error:
                if error.errno not in _NOT_A_FILE:
                    raise
                raise UnsafePath(
                    "a symbolic link or a special file is in the place of a file or folder",
                    member=shown,
                ) from None


def _storage(path: Path) -> str:
    """Return the real path of the folder that has the repositories and the blobs."""
    shown = printable(str(path))
    with translated(path, whose=Whose.INPUT):
        real = os.path.realpath(path)
        try:
            status = os.stat(real)  # noqa: PTH116 - a text, as `realpath` returns it
        except FileNotFoundError:
            raise InvalidInput(f"{shown}: no such folder") from None
        if not stat.S_ISDIR(status.st_mode):
            raise InvalidInput(f"{shown} is not a folder")
        for below in _ROOTS:
            place = os.path.realpath(os.path.join(real, below))  # noqa: PTH118
            if not Path(place, BLOBS).is_dir():
                continue
            if place != real and not place.startswith(f"{real.rstrip('/')}/"):
                raise UnsafePath(
                    "a symbolic link leads out of the folder",
                    member=below,
                    hint=f"name the folder that it leads to: {printable(place)}",
                )
            if not Path(place, REPOSITORIES).is_dir():
                raise InvalidInput(
                    f"the storage of the registry in {shown} has blobs, but no repositories",
                    hint=(
                        "a registry that keeps its names in a database has no folder of them:"
                        " copy the images from the registry itself"
                    ),
                )
            return place
    raise InvalidInput(
        f"{shown} is not the storage of a registry: it has no folder docker/registry/v2",
        hint="name the folder that has docker/registry/v2, or docker/registry/v2 itself",
    )
