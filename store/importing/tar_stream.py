"""The members of an archive read from a pipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidArchive, StoreError, TooLarge
from store.formats.compression.settings import FRAME_BYTES
from store.formats.image.layout_names import blob_algorithm
from store.formats.tar.reader import MemberKind, TarReader
from store.formats.tar.tree import Tree
from store.importing.parts import Bar, DocumentCeiling
from store.importing.spool import Spool
from store.importing.staging import plain_bytes, too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from store.formats.archives.opening import ByteSource
    from store.formats.tar.reader import Member
    from store.formats.tar.tree import Leaf
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress
from store.importing.parts import joined

SMALL_BYTES: Final = 64 * 1024
"""A member of a stream up to this size goes to the spool, whatever it may be.

A larger one is staged as the layer that it may be.
"""


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

    def __init__(
        self, source: ByteSource, stager: Stager, limits: Limits, progress: Progress
    ) -> None:
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
                self._tree.add(
                    replace(
                        member,
                        offset=self._spool.append(reader.read_all(SMALL_BYTES)),
                        extents=None,
                    ),
                    None,
                )
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
        return joined(plain_bytes(large.staged, self._limits), leaf.member.size)

    def prefetch(self, paths: Iterable[str]) -> None:
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
            self._layers[key] = self._stager.layer(
                _whole(self._small(leaf)),
                leaf.member.name,
                _ignore,
                algorithm=algorithm,
                keep_original=named,
            )
        return self._layers[key]

    def blob(self, path: str) -> Staged:
        """See `Members`.

        A large one was staged as the layer that it might have been: the same bytes.
        """
        leaf = self._tree.resolve(path)
        large = _large(leaf)
        if large is not None:
            staged = _sound(large)
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
                # Not a layer, then; whether that matters is decided when the documents are known.
                # The rest of the member passes unread.
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


def _whole(data: bytes) -> Iterator[bytes]:
    return iter((data,) if data else ())


def _ignore(_size: int) -> None:
    """It is in memory already."""
