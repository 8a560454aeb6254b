"""The members of an archive unpacked in a folder."""

from __future__ import annotations

import os
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from store.errors import (
    InvalidArchive,
    MissingMember,
    StoreError,
    TruncatedInput,
    UnsafePath,
)
from store.files.os_errors import Whose, translated
from store.formats.compression.codecs import MAGIC_BYTES
from store.formats.compression.growth import Outermost
from store.formats.compression.settings import FRAME_BYTES
from store.importing.members.parts import DocumentCeiling, Part, PartStaging, joined
from store.importing.staging import too_large

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress

_MAX_ENTRIES: Final = 200_000
"""The most entries of folders that are looked at to find files by their name."""


@final
class FolderMembers:
    """Files of an unpacked archive. A symbolic link may lead anywhere inside the folder.

    Args:
        folder: The root of the archive.
        stager: Stages the files.
        limits: Ceilings for documents and layers.
        progress: Receives the progress of each file.
        outermost: Counts the bytes of the files that are staged; None for no count.
    """

    def __init__(
        self,
        folder: Path,
        stager: Stager,
        limits: Limits,
        progress: Progress,
        outermost: Outermost | None = None,
    ) -> None:
        self._parts = PartStaging(stager, progress)
        self._documents = DocumentCeiling(limits)
        self._limits = limits
        self._outermost = outermost or Outermost()
        self._folder = Path(os.path.realpath(folder))

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists at a path."""
        return self._find(path) is not None

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        return self._file(path)[1]

    def location(self, path: str) -> Path:
        """Return where a file lies; links in its path have been followed."""
        return self._file(path)[0]

    def top_level_directories(self) -> tuple[str, ...]:
        """Return the names of the folders at the root, sorted by their bytes."""
        with translated(self._folder, whose=Whose.INPUT), os.scandir(self._folder) as entries:
            return tuple(
                sorted(
                    (entry.name for entry in entries if entry.is_dir(follow_symlinks=False)),
                    key=os.fsencode,
                )
            )

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        """Return the names in a folder, sorted by their bytes; a folder's ends with a slash."""
        path = self._folder / folder
        with translated(path, whose=Whose.INPUT), os.scandir(path) as entries:
            return tuple(
                sorted(
                    (
                        entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                        for entry in entries
                    ),
                    key=os.fsencode,
                )
            )

    def find_all(self, name: str) -> tuple[str, ...]:
        """Return the paths of all files with a name, in any folder, sorted by their bytes.

        The search does not follow links, and ends after `_MAX_ENTRIES` entries.
        """
        found: list[str] = []
        seen = 0
        for folder, folders, files in os.walk(self._folder):
            folders.sort()
            seen += len(folders) + len(files)
            if seen > _MAX_ENTRIES:
                break
            if name in files:
                found.append(os.path.relpath(Path(folder) / name, self._folder))
        return tuple(sorted(found, key=os.fsencode))

    def head(self, path: str) -> bytes | None:
        """Return the first bytes of a file."""
        file, _ = self._file(path)
        with translated(file, whose=Whose.INPUT), file.open("rb", buffering=0) as opened:
            return opened.read(MAGIC_BYTES)

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        file, size = self._file(path)
        self._documents.admit(path, size)
        return joined(_pieces(file, size, path), size)

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
        file, size = self._wanted(path)
        return Part(str(file), path, path, size, lambda: self._counted(file, size, path))

    def _counted(self, file: Path, size: int, path: str) -> Generator[bytes, None, None]:
        with closing(_pieces(file, size, path)) as pieces:
            for piece in pieces:
                self._outermost.note_read(len(piece))
                yield piece

    def _find(self, path: str) -> Path | None:
        if "\0" in path or Path(path).is_absolute() or ".." in Path(path).parts:
            raise UnsafePath("the path leads out of the folder", member=path)
        with translated(self._folder / path, whose=Whose.INPUT):
            found = Path(os.path.realpath(self._folder / path))
            if found != self._folder and self._folder not in found.parents:
                raise UnsafePath("a symbolic link leads out of the folder", member=path)
            return found if found.exists() else None

    def _file(self, path: str) -> tuple[Path, int]:
        found = self._find(path)
        if found is None:
            raise MissingMember("no such file in the folder", member=path)
        with translated(found, whose=Whose.INPUT):
            status = found.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArchive("not a regular file", member=path)
        return found, status.st_size

    def _wanted(self, path: str) -> tuple[Path, int]:
        found, size = self._file(path)
        if size > self._limits.layer_bytes:
            raise too_large(path, self._limits)
        return found, size


def _pieces(file: Path, size: int, name: str) -> Generator[bytes, None, None]:
    with translated(file, whose=Whose.INPUT), file.open("rb", buffering=0) as opened:
        left = size
        while left:
            piece = opened.read(min(left, FRAME_BYTES))
            if not piece:
                raise TruncatedInput("the file was shortened while it was read", member=name)
            left -= len(piece)
            yield piece
