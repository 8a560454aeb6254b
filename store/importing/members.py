"""The files of an archive, however they are reached: in a file that can be read anywhere, in a stream that passes once, in a folder.

From a stream layers come before the JSON that names them: every member is a candidate, staged with its digests and claimed or dropped when the documents have
arrived. From a file or a folder nothing is read before it is asked for.
"""

from __future__ import annotations

import io
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, final

from store.errors import InvalidArchive, InvalidInput, MissingMember, StoreError, TooLarge, TruncatedInput, UnsafePath, printable
from store.files.os_errors import translated
from store.formats.tar.reader import MemberKind, TarReader
from store.formats.tar.tree import Tree
from store.importing.parts import Bar, DocumentCeiling, Part, PartStaging, blob_algorithm
from store.importing.sinks import FRAME_BYTES
from store.importing.spool import Spool
from store.importing.staging import plain_bytes, too_large

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from store.formats.archives.opening import ByteSource, Opened
    from store.formats.tar.reader import Member
    from store.formats.tar.tree import Leaf
    from store.importing.staging import Staged, Stager
    from store.model.contents import Progress
    from store.model.limits import Limits

SMALL_BYTES: Final = 64 * 1024
"""A member of a stream up to this size goes to the spool, whatever it may be; a larger one is staged as the layer that it may be."""

_TABLES_OF_CONTENTS: Final = ("oci-layout", "index.json", "manifest.json", "repositories")


class Members(Protocol):
    """What all of them can do. Paths are as an archive's documents write them.

    Every method but `exists` raises MissingMember, UnsafePath and InvalidArchive for what is not there, or is no file.
    """

    def exists(self, path: str) -> bool:
        """Whether anything is at a path. Raises UnsafePath."""

    def size(self, path: str) -> int:
        """The size of a file in bytes."""

    def document(self, path: str) -> bytes:
        """The bytes of a small file. Raises TooLarge, also when all that were asked for are too large together."""

    def ahead(self, paths: Iterable[str]) -> None:
        """These layers will be asked for: begin with several at once, where that can be. What is wrong with one is told when it is asked for."""

    def layer(self, path: str) -> Staged:
        """The layer at a path, staged; the same file is staged once. It may have a problem that makes it none."""

    def blob(self, path: str) -> Staged:
        """The file at a path, staged as it is, whatever it may be."""

    def top_level_directories(self) -> tuple[str, ...]:
        """The names of the folders at the root, sorted by their bytes."""


def open_members(opened: Opened, stager: Stager, limits: Limits, progress: Progress) -> Members:
    """The files of what was handed in; a stream is read to its end here. Raises the branches of InvalidInput."""
    if opened.folder is not None:
        return FolderMembers(opened.folder, stager, limits, progress)
    assert opened.stream is not None  # noqa: S101 - what is no folder is a stream
    return (FileMembers if opened.seekable else StreamMembers)(opened.stream, stager, limits, progress)


@final
class FileMembers:
    """Members of a tar file: an index of offsets, read where needed."""

    def __init__(self, source: ByteSource, stager: Stager, limits: Limits, progress: Progress) -> None:
        self._parts = PartStaging(stager, progress)
        self._documents = DocumentCeiling(limits)
        self._limits = limits
        self._tree = Tree(limits)
        self._reader = TarReader(source, limits, seekable=True)
        for member in self._reader:
            self._tree.add(member, None)

    def exists(self, path: str) -> bool:
        """See `Members`."""
        return self._tree.exists(path)

    def size(self, path: str) -> int:
        """See `Members`."""
        return self._tree.resolve(path).member.size

    def top_level_directories(self) -> tuple[str, ...]:
        """See `Members`."""
        return self._tree.top_level_directories()

    def document(self, path: str) -> bytes:
        """See `Members`."""
        member = self._tree.resolve(path).member
        self._documents.admit(member.name, member.size)
        # In one piece: a document is never held twice.
        return b"".join(self._reader.reread(member, max(member.size, 1)))

    def ahead(self, paths: Iterable[str]) -> None:
        """See `Members`."""
        for path in paths:
            with suppress(StoreError):
                self._parts.ahead(self._part(path))

    def layer(self, path: str) -> Staged:
        """See `Members`."""
        return self._parts.layer(self._part(path))

    def blob(self, path: str) -> Staged:
        """See `Members`."""
        return self._parts.blob(self._part(path))

    def _part(self, path: str) -> Part:
        member = self._wanted(path)
        return Part(str(member.offset), path, member.name, member.size, lambda: self._reader.reread(member, FRAME_BYTES))

    def _wanted(self, path: str) -> Member:
        member = self._tree.resolve(path).member
        if member.size > self._limits.layer_bytes:
            raise too_large(member.name, self._limits)
        return member


@final
class FolderMembers:
    """Files of a folder. A symbolic link may lead anywhere inside of it, and nowhere else."""

    def __init__(self, folder: Path, stager: Stager, limits: Limits, progress: Progress) -> None:
        self._parts = PartStaging(stager, progress)
        self._documents = DocumentCeiling(limits)
        self._limits = limits
        self._folder = Path(os.path.realpath(folder))
        if not any((self._folder / name).exists() for name in _TABLES_OF_CONTENTS):
            raise InvalidInput(
                f"{printable(str(folder))} is a folder without images in it",
                hint="give an image layout (it has an oci-layout), a dir: folder, or an archive file",
            )

    def exists(self, path: str) -> bool:
        """See `Members`."""
        return self._find(path) is not None

    def size(self, path: str) -> int:
        """See `Members`."""
        return self._file(path)[1]

    def top_level_directories(self) -> tuple[str, ...]:
        """See `Members`."""
        with translated(self._folder), os.scandir(self._folder) as entries:
            return tuple(sorted((entry.name for entry in entries if entry.is_dir(follow_symlinks=False)), key=os.fsencode))

    def document(self, path: str) -> bytes:
        """See `Members`."""
        file, size = self._file(path)
        self._documents.admit(path, size)
        return _joined(_pieces(file, size, path), size)

    def ahead(self, paths: Iterable[str]) -> None:
        """See `Members`."""
        for path in paths:
            with suppress(StoreError):
                self._parts.ahead(self._part(path))

    def layer(self, path: str) -> Staged:
        """See `Members`."""
        return self._parts.layer(self._part(path))

    def blob(self, path: str) -> Staged:
        """See `Members`."""
        return self._parts.blob(self._part(path))

    def _part(self, path: str) -> Part:
        file, size = self._wanted(path)
        return Part(str(file), path, path, size, lambda: _pieces(file, size, path))

    def _find(self, path: str) -> Path | None:
        if "\0" in path or Path(path).is_absolute() or ".." in Path(path).parts:
            raise UnsafePath("the path leaves the folder", member=path)
        with translated(self._folder / path):
            found = Path(os.path.realpath(self._folder / path))
            if found != self._folder and self._folder not in found.parents:
                raise UnsafePath("a symbolic link leads out of the folder", member=path)
            return found if found.exists() else None

    def _file(self, path: str) -> tuple[Path, int]:
        found = self._find(path)
        if found is None:
            raise MissingMember("no such file in the folder", member=path)
        with translated(found):
            status = found.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArchive("it is no regular file", member=path)
        return found, status.st_size

    def _wanted(self, path: str) -> tuple[Path, int]:
        found, size = self._file(path)
        if size > self._limits.layer_bytes:
            raise too_large(path, self._limits)
        return found, size


@final
@dataclass(frozen=True, slots=True)
class _Large:
    """A large member of a stream: staged, or not to be had (``problem``)."""

    staged: Staged | None = None
    problem: StoreError | None = None


@final
class StreamMembers:
    """Members of a stream: read once, in the order they come.

    A small one lies in the spool, and the tree has its place there; a large one is staged.
    """

    def __init__(self, source: ByteSource, stager: Stager, limits: Limits, progress: Progress) -> None:
        self._stager = stager
        self._limits = limits
        self._progress = progress
        self._documents = DocumentCeiling(limits)
        self._spool = Spool(stager.scratch)
        self._layers: dict[tuple[int, int], Staged] = {}
        self._blobs: dict[tuple[int, int], Staged] = {}
        self._tree = Tree(limits)
        reader = TarReader(source, limits, seekable=False)
        for member in reader:
            if member.kind is not MemberKind.FILE:
                self._tree.add(member, None)
            elif member.size <= SMALL_BYTES:
                self._tree.add(replace(member, offset=self._spool.append(reader.read_all(SMALL_BYTES)), extents=None), None)
            else:
                self._tree.add(member, self._large(reader, member))

    def exists(self, path: str) -> bool:
        """See `Members`."""
        return self._tree.exists(path)

    def size(self, path: str) -> int:
        """See `Members`."""
        return self._tree.resolve(path).member.size

    def top_level_directories(self) -> tuple[str, ...]:
        """See `Members`."""
        return self._tree.top_level_directories()

    def document(self, path: str) -> bytes:
        """See `Members`."""
        leaf = self._tree.resolve(path)
        self._documents.admit(leaf.member.name, leaf.member.size)
        large = _large(leaf)
        if large is None:
            return self._small(leaf)
        if large.staged is None:
            raise large.problem or InvalidArchive("not a JSON document", member=leaf.member.name)
        return _joined(plain_bytes(large.staged, self._limits), leaf.member.size)

    def ahead(self, paths: Iterable[str]) -> None:
        """See `Members`. Everything has passed already."""

    def layer(self, path: str) -> Staged:
        """See `Members`."""
        leaf = self._tree.resolve(path)
        large = _large(leaf)
        if large is not None:
            return _sound(large)
        key = (leaf.member.offset, leaf.member.size)
        if key not in self._layers:
            algorithm, named = blob_algorithm(path)
            self._layers[key] = self._stager.layer(_whole(self._small(leaf)), leaf.member.name, _ignore, algorithm=algorithm, as_it_came=named)
        return self._layers[key]

    def blob(self, path: str) -> Staged:
        """See `Members`. A large one was staged as the layer that it might have been: the same bytes."""
        leaf = self._tree.resolve(path)
        large = _large(leaf)
        if large is not None:
            staged = _sound(large)
            return staged.original or staged
        key = (leaf.member.offset, leaf.member.size)
        if key not in self._blobs:
            self._blobs[key] = self._stager.blob(_whole(self._small(leaf)), leaf.member.name, _ignore, algorithm=blob_algorithm(path)[0])
        return self._blobs[key]

    def _small(self, leaf: Leaf) -> bytes:
        return self._spool.read(leaf.member.offset, leaf.member.size)

    def _large(self, reader: TarReader, member: Member) -> _Large:
        if member.size > self._limits.layer_bytes:
            # Of a sparse member a few hundred bytes say so.
            return _Large(problem=too_large(member.name, self._limits))
        pieces = _Shared(reader.chunks(FRAME_BYTES))
        algorithm, named = blob_algorithm(member.name)
        with Bar(self._progress, str(member.offset), member.name, member.size) as bar:
            try:
                return _Large(self._stager.layer(iter(pieces), member.name, bar.advance, algorithm=algorithm, as_it_came=named))
            except InvalidArchive as exc:
                if pieces.failed:
                    raise
                # Not a layer, then; whether that matters is decided when the documents are known. The rest of the member passes unread.
                return _Large(problem=exc)
            except TooLarge as exc:
                return _Large(problem=exc)


@final
@dataclass(slots=True)
class _Shared:
    """Passes pieces on and remembers whether it was the archive itself that failed, not the layer in it."""

    pieces: Iterator[bytes]
    failed: bool = field(default=False)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.pieces
        except StoreError:
            self.failed = True
            raise


def _large(leaf: Leaf) -> _Large | None:
    """What a large member became; None for a small one."""
    return leaf.payload if isinstance(leaf.payload, _Large) else None


def _sound(large: _Large) -> Staged:
    if large.staged is None:
        raise large.problem or InvalidArchive("not a layer")
    return large.staged


def _joined(pieces: Iterator[bytes], size: int) -> bytes:
    """All pieces, of ``size`` bytes together, as one; unlike ``b"".join``, without holding them twice."""
    whole = io.BytesIO()
    if size:
        # All of the room at once: a buffer that grows is moved, and leaves what it moved out of behind.
        whole.seek(size - 1)
        whole.write(b"\0")
        whole.seek(0)
    for piece in pieces:
        whole.write(piece)
    return whole.getvalue()


def _pieces(file: Path, size: int, name: str) -> Generator[bytes, None, None]:
    with translated(file), file.open("rb", buffering=0) as opened:
        left = size
        while left:
            piece = opened.read(min(left, FRAME_BYTES))
            if not piece:
                raise TruncatedInput("the file became shorter while it was read", member=name)
            left -= len(piece)
            yield piece


def _whole(data: bytes) -> Iterator[bytes]:
    return iter((data,) if data else ())


def _ignore(_size: int) -> None:
    """It is in memory already."""
