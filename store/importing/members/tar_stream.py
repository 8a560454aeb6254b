"""The members of an archive read from a pipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidArchive, StoreError, TooLarge
from store.formats.compression.settings import FRAME_BYTES
from store.formats.image.layout_names import blob_algorithm
from store.formats.tar.reader import MemberKind, TarReader
from store.formats.tar.tree import Tree
from store.importing.members.parts import Bar, DocumentCeiling, joined
from store.importing.members.spool import Spool
from store.importing.staging import plain_bytes, too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from store.formats.compression.growth import Outermost
    from store.formats.tar.reader import ByteSource, Member
    from store.formats.tar.tree import Leaf
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress

SMALL_BYTES: Final = 64 * 1024
"""Largest member that goes to the spool. Larger members are staged, because they may be layers."""


@final
@dataclass(frozen=True, slots=True)
class _Large:
    """A large member of a stream: the staged file, or the error (``problem``) of its staging."""

    staged: Staged | None = None
    problem: StoreError | None = None


@final
class StreamMembers:
    """Members of a stream, which is read once from start to end.

    A small member goes to the spool, and the tree of paths records the member's offset in the
    spool. A large member is staged.

    Args:
        source: The stream; it need not be seekable.
        stager: Stages the members.
        limits: Ceilings for members, documents and layers.
        progress: Receives the progress of each member.
        outermost: The counts of the input around the archive; None for no count.
    """

    def __init__(
        self,
        source: ByteSource,
        stager: Stager,
        limits: Limits,
        progress: Progress,
        outermost: Outermost | None = None,
    ) -> None:
        self._stager = stager
        self._limits = limits
        self._progress = progress
        self._documents = DocumentCeiling(limits)
        self._spool = Spool(stager.scratch)
        self._layers: dict[tuple[int, int], Staged] = {}
        self._blobs: dict[tuple[int, int], Staged] = {}
        self._tree = Tree(limits)
        self._reader = TarReader(source, limits, seekable=False, outermost=outermost)

    def read(self) -> None:
        """Read the stream to its end. Call this before any other method.

        Raises:
            InvalidInput: The archive is damaged or exceeds a limit.
            Unavailable: A file of the operation cannot be written.
        """
        reader = self._reader
        for member in reader:
            if member.kind is not MemberKind.FILE:
                self._tree.add(member, None)
            elif member.size <= SMALL_BYTES:
                self._tree.add(
                    replace(
                        member,
                        offset=self._spool.append(reader.read_all(SMALL_BYTES)),
                        extents=None,
                    ),
                    None,
                )
            else:
                self._tree.add(member, self._staged(member))

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
        """Return None: all members were read, and staged, when they arrived."""
        del path
        return None

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        leaf = self._tree.resolve(path)
        self._documents.admit(leaf.member.name, leaf.member.size)
        large = _large(leaf)
        if large is None:
            return self._small(leaf)
        if large.staged is None:
            raise large.problem or InvalidArchive("not a JSON document", member=leaf.member.name)
        return joined(self._received(large.staged, leaf.member), leaf.member.size)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Do nothing: every layer is staged already."""

    def layer(self, path: str) -> Staged:
        """Stage a layer; the same file is staged once."""
        leaf = self._tree.resolve(path)
        large = _large(leaf)
        if large is not None:
            return _staged_or_raise(large)
        key = (leaf.member.offset, leaf.member.size)
        if key not in self._layers:
            algorithm, named = blob_algorithm(path)
            self._layers[key] = self._stager.layer(
                _whole(self._small(leaf)),
                leaf.member.name,
                _ignore,
                algorithm=algorithm,
                keep_original=named,
            )
        return self._layers[key]

    def blob(self, path: str) -> Staged:
        """Stage a file without decoding it; the same file is staged once.

        A large member was staged as a layer already. Its staged original has the bytes of the
        member or, without an original, its staged file.
        """
        leaf = self._tree.resolve(path)
        large = _large(leaf)
        if large is not None:
            staged = _staged_or_raise(large)
            return staged.original or staged
        key = (leaf.member.offset, leaf.member.size)
        if key not in self._blobs:
            self._blobs[key] = self._stager.blob(
                _whole(self._small(leaf)),
                leaf.member.name,
                _ignore,
                algorithm=blob_algorithm(path)[0],
            )
        return self._blobs[key]

    def _received(self, staged: Staged, member: Member) -> Iterator[bytes]:
        """Return the bytes of a member as received: a compressed document is not decoded."""
        if staged.original is not None:
            staged = staged.original
        elif staged.was_recoded:
            raise InvalidArchive("not a JSON document", member=member.name)
        if not staged.is_ours:
            staged = replace(staged, codec=None)
        return plain_bytes(staged, self._limits)

    def _small(self, leaf: Leaf) -> bytes:
        return self._spool.read(leaf.member.offset, leaf.member.size)

    def _staged(self, member: Member) -> _Large:
        if member.size > self._limits.layer_bytes:
            # The size in a sparse member's header can be huge while its data is small.
            return _Large(problem=too_large(member.name, self._limits))
        pieces = _Pieces(self._reader.chunks(FRAME_BYTES))
        algorithm, named = blob_algorithm(member.name)
        with Bar(self._progress, str(member.offset), member.name, member.size) as bar:
            try:
                return _Large(
                    self._stager.layer(
                        iter(pieces),
                        member.name,
                        bar.advance,
                        algorithm=algorithm,
                        keep_original=named,
                    )
                )
            except InvalidArchive as exc:
                if pieces.failed:
                    raise
                # The member is not a layer. Whether it has to be one is decided when the documents
                # are known. The reader skips the remaining bytes of the member.
                return _Large(problem=exc)
            except TooLarge as exc:
                return _Large(problem=exc)


@final
@dataclass(slots=True)
class _Pieces:
    """The pieces of a member; ``failed`` says whether reading the archive raised an error."""

    pieces: Iterator[bytes]
    failed: bool = field(default=False)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.pieces
        except StoreError:
            self.failed = True
            raise


def _large(leaf: Leaf) -> _Large | None:
    """Return the staged form of a large member; None for a small member."""
    return leaf.payload if isinstance(leaf.payload, _Large) else None


def _staged_or_raise(large: _Large) -> Staged:
    if large.staged is None:
        raise large.problem or InvalidArchive("not a layer")
    return large.staged


def _whole(data: bytes) -> Iterator[bytes]:
    return iter((data,) if data else ())


def _ignore(_size: int) -> None:
    """Do not report progress: the bytes are in memory already."""
