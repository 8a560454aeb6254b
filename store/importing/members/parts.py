"""Staging of an archive's files: each at most once as a layer and once as a blob, with progress."""

from __future__ import annotations

import io
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple, final

from store.errors import TooLarge, printable
from store.formats.image.layout_names import blob_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future

    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress


class Part(NamedTuple):
    """A file to be staged.

    Attributes:
        key: Identifies the file within the archive.
        path: The path that the archive's documents use.
        name: The name of the member, for errors; ``path`` may lead to the member through links.
        size: Size in bytes.
        pieces: Returns the bytes of the file, piece by piece.
    """

    key: str
    path: str
    name: str
    size: int
    pieces: Callable[[], Generator[bytes, None, None]]


@final
class PartStaging:
    """Stages files, each once as a layer and once as a blob.

    Args:
        stager: Stages the bytes.
        progress: Receives the progress of each file.
    """

    def __init__(self, stager: Stager, progress: Progress) -> None:
        self._stager = stager
        self._progress = progress
        self._layers: dict[str, Staged] = {}
        self._begun: dict[str, Future[Staged]] = {}
        self._blobs: dict[str, Staged] = {}

    def layer(self, part: Part) -> Staged:
        """Stage a file as a layer, or return what `prefetch` staged.

        Raises:
            StoreError: The file cannot be read or staged.
        """
        if part.key not in self._layers:
            begun = self._begun.pop(part.key, None)
            self._layers[part.key] = (
                begun.result() if begun is not None else self._stage(part, lambda pieces: pieces)
            )
        return self._layers[part.key]

    def prefetch(self, part: Part) -> None:
        """Begin to stage a layer; `layer` raises its errors."""
        if part.key not in self._layers and part.key not in self._begun:
            self._begun[part.key] = self._stager.prefetch(
                lambda passing: self._stage(part, passing)
            )

    def _stage(self, part: Part, passing: Callable[[Iterator[bytes]], Iterator[bytes]]) -> Staged:
        algorithm, named = blob_algorithm(part.path)
        with self._reading(part) as (pieces, advance):
            return self._stager.layer(
                passing(pieces), part.name, advance, algorithm=algorithm, keep_original=named
            )

    def blob(self, part: Part) -> Staged:
        """Stage a file of any kind without decoding it.

        Raises:
            StoreError: The file cannot be read or staged.
        """
        if part.key not in self._blobs:
            with self._reading(part) as (pieces, advance):
                self._blobs[part.key] = self._stager.blob(
                    pieces, part.name, advance, algorithm=blob_algorithm(part.path)[0]
                )
        return self._blobs[part.key]

    @contextmanager
    def _reading(self, part: Part) -> Iterator[tuple[Iterator[bytes], Callable[[int], None]]]:
        # Close the pieces at once. A kept error refers to the frames that raised it, and so to an
        # open file.
        with (
            Bar(self._progress, part.key, part.path, part.size) as bar,
            closing(part.pieces()) as pieces,
        ):
            yield pieces, bar.advance


@final
class Bar:
    """The progress of one file. It is reported as finished when the ``with`` block ends.

    Args:
        progress: Receives the start, every step and the end.
        key: Identifies the file within the archive.
        path: Path of the file in the archive; the label is a part of it.
        size: Size in bytes.
    """

    def __init__(self, progress: Progress, key: str, path: str, size: int) -> None:
        self._progress = progress
        self._key = key
        progress.start(key, _label(path), size)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.finish(self._key)

    def advance(self, size: int) -> None:
        """Report that ``size`` more bytes have been read."""
        self._progress.advance(self._key, size)


@final
class DocumentCeiling:
    """Limits on the size of each document in an archive, and on the total size of all documents."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0

    def admit(self, name: str, size: int) -> None:
        """Count a document before it is read.

        Args:
            name: The member's name, for errors.
            size: Size in bytes.

        Raises:
            TooLarge: The document, or the total of all documents so far, exceeds a limit.
        """
        limit = self._limits.json_bytes
        if size > limit:
            raise TooLarge(
                f"cannot read JSON document {printable(name)!r}: it has {size} bytes, and the limit"
                f" is {limit}",
                limit=limit,
            )
        self._bytes += size
        limit = self._limits.documents_bytes
        if self._bytes > limit:
            raise TooLarge(
                f"cannot read JSON document {printable(name)!r}: the archive's documents have"
                f" {self._bytes} bytes in total, and the limit is {limit}",
                limit=limit,
                hint="split the archive into several archives",
            )


def _label(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    name = (
        parts[-2] if len(parts) > 1 and parts[-1] == "layer.tar" else parts[-1] if parts else path
    )
    return printable(name)[:12]


def joined(pieces: Iterator[bytes], size: int) -> bytes:
    """Return the joined pieces. Unlike ``b"".join``, this does not hold the bytes in memory twice.

    Args:
        pieces: The bytes, from first to last.
        size: Total size of the pieces in bytes.
    """
    whole = io.BytesIO()
    if size:
        # Reserve the whole size at once: a buffer that grows is moved, and its old memory stays
        # allocated.
        whole.seek(size - 1)
        whole.write(b"\0")
        whole.seek(0)
    for piece in pieces:
        whole.write(piece)
    return whole.getvalue()
