"""Parts of an archive on their way into the operation's folder: each is staged once for each purpose, and shows its progress."""

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
    """A file to be staged: what tells it from others, the path it is asked for by, its own name, its size in bytes, and how to read it."""

    key: str
    path: str
    name: str
    size: int
    pieces: Callable[[], Generator[bytes, None, None]]


@final
class PartStaging:
    """Stages what is asked for, each file once for each purpose."""

    def __init__(self, stager: Stager, progress: Progress) -> None:
        self._stager = stager
        self._progress = progress
        self._layers: dict[str, Staged] = {}
        self._begun: dict[str, Future[Staged]] = {}
        self._blobs: dict[str, Staged] = {}

    def layer(self, part: Part) -> Staged:
        """The layer, staged. Raises what reading it raises."""
        if part.key not in self._layers:
            begun = self._begun.pop(part.key, None)
            self._layers[part.key] = (
                begun.result() if begun is not None else self._stage(part, lambda pieces: pieces)
            )
        return self._layers[part.key]

    def prefetch(self, part: Part) -> None:
        """Begin with a layer; what is wrong with it is told when it is asked for."""
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
        """The part as it is, whatever it may be. Raises what reading it raises."""
        if part.key not in self._blobs:
            with self._reading(part) as (pieces, advance):
                self._blobs[part.key] = self._stager.blob(
                    pieces, part.name, advance, algorithm=blob_algorithm(part.path)[0]
                )
        return self._blobs[part.key]

    @contextmanager
    def _reading(self, part: Part) -> Iterator[tuple[Iterator[bytes], Callable[[int], None]]]:
        # Closed at once, whatever happens: an error keeps what was at work when it was raised, and
        # with it a file that is being read.
        with (
            Bar(self._progress, part.key, part.path, part.size) as bar,
            closing(part.pieces()) as pieces,
        ):
            yield pieces, bar.advance


@final
class Bar:
    """One part's progress."""

    def __init__(self, progress: Progress, key: str, path: str, size: int) -> None:
        self._progress = progress
        self._key = key
        progress.start(key, _label(path), size)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.finish(self._key)

    def advance(self, size: int) -> None:
        """So many bytes more have been read."""
        self._progress.advance(self._key, size)


@final
class DocumentCeiling:
    """Counts what the documents of one archive come to."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0

    def admit(self, name: str, size: int) -> None:
        """Raises TooLarge when a document, or all of them together, are too large."""
        limit = self._limits.json_bytes
        if size > limit:
            raise TooLarge(
                f"member {printable(name)!r} has {size} bytes, and a JSON document may have"
                f" {limit}",
                limit=limit,
            )
        self._bytes += size
        limit = self._limits.documents_bytes
        if self._bytes > limit:
            raise TooLarge(
                f"the JSON documents of the archive, up to member {printable(name)!r}, have"
                f" {self._bytes} bytes together: at most {limit} are read",
                limit=limit,
                hint="split it into several archives",
            )


def _label(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    name = (
        parts[-2] if len(parts) > 1 and parts[-1] == "layer.tar" else parts[-1] if parts else path
    )
    return printable(name)[:12]


def joined(pieces: Iterator[bytes], size: int) -> bytes:
    """All pieces, of ``size`` bytes together, as one.

    Unlike ``b"".join``, without holding them twice.
    """
    whole = io.BytesIO()
    if size:
        # All of the room at once: a buffer that grows is moved, and leaves what it moved out of
        # behind.
        whole.seek(size - 1)
        whole.write(b"\0")
        whole.seek(0)
    for piece in pieces:
        whole.write(piece)
    return whole.getvalue()
