"""The files of an archive, however they are reached.

In a file that can be read anywhere, in a stream that passes once, in a folder.

From a stream layers come before the JSON that names them: every member is a candidate, staged with
its digests and claimed or dropped when the documents have arrived. From a file or a folder nothing
is read before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from store.importing.folder import FolderMembers
from store.importing.tar_file import FileMembers
from store.importing.tar_stream import StreamMembers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.formats.archives.opening import Opened
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress


class Members(Protocol):
    """What all of them can do. Paths are as an archive's documents write them.

    Every method but `exists` raises MissingMember, UnsafePath and InvalidArchive for what is not
    there, or is no file.
    """

    def exists(self, path: str) -> bool:
        """Whether anything is at a path. Raises UnsafePath."""

    def size(self, path: str) -> int:
        """The size of a file in bytes."""

    def document(self, path: str) -> bytes:
        """The bytes of a small file.

        Raises TooLarge, also when all that were asked for are too large together.
        """

    def prefetch(self, paths: Iterable[str]) -> None:
        """These layers will be asked for: begin with several at once, where that can be.

        What is wrong with one is told when it is asked for.
        """

    def layer(self, path: str) -> Staged:
        """The layer at a path, staged; the same file is staged once.

        It may have a problem that makes it none.
        """

    def blob(self, path: str) -> Staged:
        """The file at a path, staged as it is, whatever it may be."""

    def top_level_directories(self) -> tuple[str, ...]:
        """The names of the folders at the root, sorted by their bytes."""


def open_members(opened: Opened, stager: Stager, limits: Limits, progress: Progress) -> Members:
    """The files of what was handed in; a stream is read to its end here.

    Raises the branches of InvalidInput.
    """
    if opened.folder is not None:
        return FolderMembers(opened.folder, stager, limits, progress)
    assert opened.stream is not None  # noqa: S101 - what is no folder is a stream
    return (FileMembers if opened.seekable else StreamMembers)(
        opened.stream, stager, limits, progress
    )
