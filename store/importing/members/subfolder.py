"""The members of an archive whose files are all in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.importing.members.members import Members
    from store.importing.staging import Staged


@final
class SubfolderMembers:
    """The files of an archive below one folder, by their paths in that folder.

    Args:
        members: All files of the archive.
        folder: The path of the folder.
    """

    def __init__(self, members: Members, folder: str) -> None:
        self._members = members
        self._prefix = f"{folder}/"

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists at a path."""
        return self._members.exists(self._prefix + path)

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        return self._members.size(self._prefix + path)

    def head(self, path: str) -> bytes | None:
        """Return the first bytes of a file; None if all was read already."""
        return self._members.head(self._prefix + path)

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        return self._members.document(self._prefix + path)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Begin to stage layers that `layer` will return."""
        self._members.prefetch(self._prefix + path for path in paths)

    def layer(self, path: str) -> Staged:
        """Stage a layer; the same file is staged once."""
        return self._members.layer(self._prefix + path)

    def blob(self, path: str) -> Staged:
        """Stage a file without decoding it; the same file is staged once."""
        return self._members.blob(self._prefix + path)

    def top_level_directories(self) -> tuple[str, ...]:
        """Return the names of the folders in the folder, sorted by their bytes."""
        return tuple(name[:-1] for name in self.names_in() if name.endswith("/"))

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        """Return the names in a folder, sorted by their bytes; a folder's ends with a slash."""
        return self._members.names_in((self._prefix + folder).rstrip("/"))

    def find_all(self, name: str) -> tuple[str, ...]:
        """Return the paths of all files with a name, in any folder below the folder."""
        return tuple(
            path.removeprefix(self._prefix)
            for path in self._members.find_all(name)
            if path.startswith(self._prefix)
        )
