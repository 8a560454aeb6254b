"""Opening the input of an import: a seekable file, a stream or a folder, decompressed."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.errors import InvalidInput, TruncatedInput, printable
from store.files.os_errors import Whose, translated
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.read_ahead import DecodingReader
from store.model.contents import Codec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.formats.tar.reader import ByteSource
    from store.model.limits import Limits

_OUTER_LAYERS: Final = 64
"""A whole archive may decompress to this many times the ceiling of one layer."""


class _Prefixed:
    """A stream whose first bytes were read already, to detect its codec."""

    def __init__(self, head: bytes, rest: ByteSource) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._rest.read(size)


@final
@dataclass(frozen=True, slots=True)
class Opened:
    """An opened input: the decompressed bytes of an archive, or a folder.

    ``size_bytes`` is the size of the input itself in bytes; None for a pipe or a folder.
    """

    stream: ByteSource | None
    folder: Path | None
    seekable: bool
    size_bytes: int | None


def _regular_size(stream: BinaryIO) -> int | None:
    """Return the size of a regular file that ``stream`` reads from its start, None for any other.

    Standard input may be such a file.
    """
    try:
        status = os.fstat(stream.fileno())
        if stat.S_ISREG(status.st_mode) and stream.tell() == 0:
            return status.st_size
    except (OSError, AttributeError):
        # Not a file of the operating system.
        pass
    return None


@contextmanager
def open_source(source: Path | BinaryIO, limits: Limits) -> Iterator[Opened]:
    """Open an archive or a folder.

    Args:
        source: A path, or a stream at its start.
        limits: ``layer_bytes`` bounds the decompressed archive.

    Raises:
        InvalidInput: The path does not exist or cannot be opened.
        TruncatedInput: The input is empty.
    """
    if not isinstance(source, Path):
        size_bytes = _regular_size(source)
        with _decompressed(source, limits, seekable=size_bytes is not None) as (stream, seekable):
            yield Opened(stream, None, seekable, size_bytes)
        return
    name = printable(str(source))
    try:
        with translated(source, whose=Whose.INPUT):
            is_folder = stat.S_ISDIR(source.stat().st_mode)
            file = None if is_folder else source.open("rb", buffering=0)
    except FileNotFoundError:
        raise InvalidInput(f"{name}: no such file") from None
    if file is None:
        yield Opened(None, source, seekable=True, size_bytes=None)
        return
    with file, _decompressed(file, limits, seekable=source.is_file()) as (stream, seekable):
        yield Opened(stream, None, seekable, source.stat().st_size if source.is_file() else None)


@contextmanager
def _decompressed(
    file: BinaryIO, limits: Limits, *, seekable: bool
) -> Iterator[tuple[ByteSource, bool]]:
    head = _read_head(file)
    if not head:
        raise TruncatedInput(
            "the input is empty", hint="check that the command that wrote it succeeded"
        )
    codec = detect(head)
    if codec is Codec.IDENTITY and seekable:
        file.seek(0)
        yield file, True
        return
    stream = _Prefixed(head, file)
    if codec is Codec.IDENTITY:
        yield stream, False
        return
    decoding = DecodingReader(stream, codec, max_bytes=limits.layer_bytes * _OUTER_LAYERS)
    try:
        yield decoding, False
    finally:
        decoding.close()


def _read_head(file: BinaryIO) -> bytes:
    head = b""
    while len(head) < MAGIC_BYTES:
        more = file.read(MAGIC_BYTES - len(head))
        if not more:
            break
        head += more
    return head
