"""A stager that keeps documents and reads layers only to measure them, for archives not imported.

It takes the place of `store.importing.staging.Stager` while an archive is read. From a file or a
folder, no layer is read, because `store.previews.reading` says that every layer is held. From a
compressed archive, every member passes once; only those that may be documents are kept.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from store.files.os_errors import translated
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.decoders import decoder
from store.formats.compression.growth import ratio_of
from store.formats.compression.read_ahead import DecodingReader
from store.formats.compression.settings import FRAME_BYTES
from store.importing.staging import Staged
from store.model.contents import Codec
from store.model.digests import DEFAULT_ALGORITHM, Digest, Hashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.model.limits import Limits

_JSON_STARTS: Final = (b"{", b"[")


@final
class DocumentStager:
    """Keeps the members of an archive that may be documents, and hashes the others.

    Args:
        limits: Ceilings for documents and layers.
        new_file: Returns the path of a file to create outside of any store.
    """

    def __init__(self, limits: Limits, new_file: Callable[[], Path]) -> None:
        self._limits = limits
        self._new_file = new_file
        self.is_measuring = False

    def scratch(self) -> Path:
        """Return the path of a file to create."""
        return self._new_file()

    def layer(
        self,
        pieces: Iterator[bytes],
        member: str,
        on_read: Callable[[int], None],
        *,
        algorithm: str = DEFAULT_ALGORITHM,
        keep_original: bool = False,
    ) -> Staged:
        """Return the digest and size of a layer's decoded bytes.

        While ``is_measuring`` is set, a layer that is not compressed is not read: its size is that
        of its member. A layer with a digest for a name (``keep_original``) is not decoded, because
        its manifest states what it is.
        """
        del member, on_read, algorithm
        source = _Pieces(pieces)
        head = source.peek(MAGIC_BYTES)
        codec = detect(head)
        if codec is Codec.IDENTITY:
            if head.lstrip()[:1] in _JSON_STARTS:
                return self._kept(source)
            return _measured() if self.is_measuring else _hashed(source)
        if keep_original:
            return _hashed(source, codec)
        limit, ratio = self._limits.layer_bytes, ratio_of(self._limits)
        reader = DecodingReader(source, decoder(codec, max_bytes=limit, ratio=ratio))
        with closing(reader):
            return _hashed(reader, codec)

    def blob(
        self,
        pieces: Iterator[bytes],
        member: str,
        on_read: Callable[[int], None],
        *,
        algorithm: str = DEFAULT_ALGORITHM,
    ) -> Staged:
        """Return the digest and size of a blob's bytes, without decoding them."""
        return self.layer(pieces, member, on_read, algorithm=algorithm, keep_original=True)

    def prefetch(
        self, work: Callable[[Callable[[Iterator[bytes]], Iterator[bytes]]], Staged]
    ) -> Future[Staged]:
        """Stage a layer at once, on this thread."""
        done: Future[Staged] = Future()
        done.set_result(work(lambda pieces: pieces))
        return done

    def has_diff(self, layer: Staged, diff: Digest) -> bool:
        """Return True: layers are not compared with configs."""
        del layer, diff
        return True

    def _kept(self, source: _Pieces) -> Staged:
        """Write a member that may be a document to a file, up to the ceiling for documents."""
        path = self._new_file()
        hasher, left = _Hasher(), self._limits.json_bytes
        with translated(path), path.open("xb") as file:
            while piece := source.read(FRAME_BYTES):
                hasher.update(piece)
                file.write(piece[:left])
                left -= min(left, len(piece))
        return Staged(path, hasher.hashed(), hasher.hashed(), None, seekable=False)


@final
class _Pieces:
    """Pieces of bytes as a source with ``read``."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._head = b""

    def peek(self, size: int) -> bytes:
        """Return up to ``size`` bytes, which a later read returns again."""
        while len(self._head) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._head += piece
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; an empty result means the end."""
        if not self._head:
            self._head = next(self._pieces, b"")
        data, self._head = self._head[:size], self._head[size:]
        return data


@final
class _Hasher:
    """The digest and the number of bytes."""

    def __init__(self) -> None:
        self._hash = hashlib.new(DEFAULT_ALGORITHM, usedforsecurity=False)
        self._size = 0

    def update(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)

    def hashed(self) -> Hashed:
        return Hashed(Digest(DEFAULT_ALGORITHM, self._hash.hexdigest()), self._size)


def _measured() -> Staged:
    nothing = _Hasher().hashed()
    return Staged(Path(), nothing, nothing, None, seekable=False)


def _hashed(source: Any, codec: Codec | None = None) -> Staged:  # noqa: ANN401 - with `read`
    hasher = _Hasher()
    while piece := source.read(FRAME_BYTES):
        hasher.update(piece)
    return Staged(Path(), hasher.hashed(), hasher.hashed(), codec, seekable=False)
