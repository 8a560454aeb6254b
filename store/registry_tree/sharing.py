"""Files of a registry that become files of the store without a copy of their bytes.

A clone shares the blocks of the registry's file (ioctl_ficlone(2)), and a change of one file does
not change the other. A hard link is a second name of the same file: a user who may write to the
registry's file can change the store's. So links are made only on request, and only of files that
belong to the user of the store or to root, and that no one else may write. Registries never write
to the file of a blob: they write elsewhere, and rename.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.blobs.downloads import Download
from store.files import kernel_copy
from store.files.creation import create_file, file_mode, open_folder
from store.files.os_errors import translated

if TYPE_CHECKING:
    from pathlib import Path

    from store.model.digests import Digest

_NO_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOENT}
)
_OTHERS_WRITE: Final = 0o022
_READ: Final = 0o444


@final
class Sharing:
    """Clones files, or links them. Threads may share an object.

    Args:
        link: Whether to make hard links where clones do not work.

    Attributes:
        cloned_bytes: The size of all files that were cloned.
        linked_bytes: The size of all files that were linked.
    """

    def __init__(self, *, link: bool = False) -> None:
        self.cloned_bytes = 0
        self.linked_bytes = 0
        self._link = link
        self._can_clone = True
        self._can_link = link
        self._lock = threading.Lock()

    def share(self, digest: Digest, source: BinaryIO, path: Path) -> Download | None:
        """Make a file of the store that has the bytes of another file.

        Args:
            digest: The digest that the bytes should have; nobody has checked it yet.
            source: The other file, open for reading.
            path: The new file, in the folder of an operation.

        Returns:
            The new file, which the caller closes; None if the bytes have to be copied.

        Raises:
            Unavailable: The new file cannot be created.
        """
        size = os.fstat(source.fileno()).st_size
        if self._can_clone:
            with translated(path):
                file = os.fdopen(create_file(path), "wb", buffering=0)
                try:
                    if kernel_copy.clone(source.fileno(), file.fileno()):
                        with self._lock:
                            self.cloned_bytes += size
                        return Download(digest, path, file)
                except BaseException:
                    file.close()
                    raise
                self._can_clone = False
                file.close()
                path.unlink()
        if self._can_link and self._is_safe(source, path) and self._linked(source, path):
            with self._lock:
                self.linked_bytes += size
            return Download(digest, path, _opened(path))
        return None

    def _is_safe(self, source: BinaryIO, path: Path) -> bool:
        """Return whether only the user of the store and root can change a file."""
        status = os.fstat(source.fileno())
        with translated(path.parent):
            wanted = file_mode(path.parent.stat().st_mode) & _READ
        return (
            status.st_uid in (0, os.geteuid())
            and not status.st_mode & _OTHERS_WRITE
            and not wanted & ~status.st_mode
        )

    def _linked(self, source: BinaryIO, path: Path) -> bool:
        with translated(path), open_folder(path.parent) as folder:
            try:
                # The name of the source may lead to another file by now; its descriptor does not.
                os.link(
                    f"/proc/self/fd/{source.fileno()}",
                    path.name,
                    src_dir_fd=folder,
                    dst_dir_fd=folder,
                    follow_symlinks=True,
                )
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                self._can_link = error.errno != errno.EXDEV
                return False
        return True


def _opened(path: Path) -> BinaryIO:
    """Open a linked file to sync it; nothing is written to it."""
    try:
        with translated(path):
            return path.open("rb", buffering=0)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
