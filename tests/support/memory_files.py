"""The files of an archive, kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import MissingMember

if TYPE_CHECKING:
    from collections.abc import Mapping


class MemoryFiles:
    """Files by path in memory, in the form of `store.formats.archives.oci_layout.Files`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def exists(self, path: str) -> bool:
        return path in self._files or any(name.startswith(f"{path}/") for name in self._files)

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        inside = [
            name.removeprefix(f"{folder}/" if folder else "").partition("/")
            for name in self._files
            if name.startswith(f"{folder}/" if folder else "")
        ]
        return tuple(sorted({name + slash for name, slash, _ in inside}))

    def size(self, path: str) -> int:
        return len(self._files[path])

    def document(self, path: str) -> bytes:
        if path not in self._files:
            raise MissingMember("no such file in the archive", member=path)
        return self._files[path]
