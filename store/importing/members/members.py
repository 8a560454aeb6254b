"""The files of an archive: in a seekable file, in a pipe, or in a folder.

In a pipe, layers come before the JSON that names them. So every member of a pipe is staged with its
digests, and is used or dropped when the documents are known. In a file or folder, a member is read
when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from store.formats.tar.foreign import refuse_foreign
from store.importing.members.folder import FolderMembers
from store.importing.members.tar_file import FileMembers
from store.importing.members.tar_stream import StreamMembers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.formats.archives.opening import Opened
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress


class Members(Protocol):
    """The files of an archive, by path as the archive's documents write it.

    Every method with a path raises UnsafePath if the path leads out of the archive. Every method
    with a path except `exists` also raises MissingMember if nothing exists at the path, and
    InvalidArchive if the path is not a file.
    """

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists at a path."""

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""

    def head(self, path: str) -> bytes | None:
        """Return the first bytes of a file, which tell its codec; None if all was read already."""

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file.

        Raises:
            TooLarge: The file, or the total of all documents read so far, exceeds a limit.
        """

    def prefetch(self, paths: Iterable[str]) -> None:
        """Begin to stage layers that `layer` will return, several at once where possible.

        `layer` raises the errors.
        """

    def layer(self, path: str) -> Staged:
        """Stage a layer; the same file is staged once.

        Returns:
            The staged file, with its `problem` if it is not a layer.
        """

    def blob(self, path: str) -> Staged:
        """Stage a file of any kind without decoding it; the same file is staged once."""

    def top_level_directories(self) -> tuple[str, ...]:
        """Return the names of the folders at the root, sorted by their bytes."""

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        """Return the names in a folder, sorted by their bytes; a folder's ends with a slash."""

    def find_all(self, name: str) -> tuple[str, ...]:
        """Return the paths of all files with a name, in any folder, sorted by their bytes."""


def open_members(opened: Opened, stager: Stager, limits: Limits, progress: Progress) -> Members:
    """Return the files of an opened archive. A pipe is read to its end first.

    Args:
        opened: A folder, a seekable file or a stream.
        stager: Stages the files.
        limits: Ceilings for members, documents and layers.
        progress: Receives the progress of each file.

    Raises:
        InvalidInput: The archive is damaged or exceeds a limit.
    """
    if opened.folder is not None:
        return FolderMembers(opened.folder, stager, limits, progress, opened.outermost)
    assert opened.stream is not None  # noqa: S101 - it is either a folder or a stream
    refuse_foreign(opened.head, opened.compression)
    if opened.seekable:
        file = FileMembers(opened.stream, stager, limits, progress)
        file.read_headers()
        return file
    stream = StreamMembers(opened.stream, stager, limits, progress, opened.outermost)
    stream.read()
    return stream
