"""The members of an archive in a seekable file."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, final

from store.errors import StoreError
from store.formats.compression.codecs import MAGIC_BYTES
from store.formats.compression.settings import FRAME_BYTES
from store.formats.tar.reader import TarReader
from store.formats.tar.tree import Tree
from store.importing.members.parts import DocumentCeiling, Part, PartStaging
from store.importing.staging import too_large

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.formats.tar.reader import ByteSource, Member
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress


@final
class FileMembers:
    """Members of a tar file: an index of offsets, and bytes that are read when needed.

    Args:
        source: A seekable file.
        stager: Stages the members.
        limits: Ceilings for members, documents and layers.
        progress: Receives the progress of each member.
    """

    def __init__(
        self, source: ByteSource, stager: Stager, limits: Limits, progress: Progress
    ) -> None:
        self._parts = PartStaging(stager, progress)
        self._documents = DocumentCeiling(limits)
        self._limits = limits
        self._tree = Tree(limits)
        self._reader = TarReader(source, limits, seekable=True)

    def read_headers(self) -> None:
        """Read every header. Call this before any other method.

        Raises:
            InvalidInput: The archive is damaged or exceeds a limit.
        """
        for member in self._reader:
            self._tree.add(member, None)

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists at a path."""
        return self._tree.exists(path)

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        return self._tree.resolve(path).member.size

    def top_level_directories(self) -> tuple[str, ...]:
        """Return the names of the folders at the root, sorted by their bytes."""
        return self._tree.top_level_directories()

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        """Return the names in a folder, sorted by their bytes; a folder's ends with a slash."""
        return self._tree.names_in(folder)

    def find_all(self, name: str) -> tuple[str, ...]:
        """Return the paths of all files with a name, in any folder, sorted by their bytes."""
        return self._tree.find_all(name)

    def head(self, path: str) -> bytes | None:
        """Return the first bytes of a file."""
        member = self._tree.resolve(path).member
        with closing(self._reader.reread(member, MAGIC_BYTES)) as pieces:
            return next(pieces, b"")

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        member = self._tree.resolve(path).member
        self._documents.admit(member.name, member.size)
        # In one piece, so that a document is never in memory twice.
        return b"".join(self._reader.reread(member, max(member.size, 1)))

    def prefetch(self, paths: Iterable[str]) -> None:
        """Begin to stage layers that `layer` will return."""
        for path in paths:
            with suppress(StoreError):
                self._parts.prefetch(self._part(path))

    def layer(self, path: str) -> Staged:
        """Stage a layer; the same file is staged once."""
        return self._parts.layer(self._part(path))

    def blob(self, path: str) -> Staged:
        """Stage a file without decoding it; the same file is staged once."""
        return self._parts.blob(self._part(path))

    def _part(self, path: str) -> Part:
        member = self._wanted(path)
        return Part(
            str(member.offset),
            path,
            member.name,
            member.size,
            lambda: self._reader.reread(member, FRAME_BYTES),
        )

    def _wanted(self, path: str) -> Member:
        member = self._tree.resolve(path).member
        if member.size > self._limits.layer_bytes:
            raise too_large(member.name, self._limits)
        return member
