"""Functions that open the input of an import (file, stream or folder) and decompress it."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, final

from store.errors import InvalidInput, TruncatedInput, printable
from store.files.os_errors import Whose, translated
from store.formats.compression import lz4_frames
from store.formats.compression.codecs import detect
from store.formats.compression.decoders import ARCHIVE_WINDOW_BYTES, decoder
from store.formats.compression.growth import Outermost, ratio_of
from store.formats.compression.read_ahead import DecodingReader
from store.formats.tar.foreign import HEAD_BYTES
from store.model.contents import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.formats.tar.reader import ByteSource
    from store.model.limits import Limits


def _ignore(_size_bytes: int) -> None:
    """Count no bytes."""


class _Prefixed:
    """A stream that returns its first bytes again after they were read to find out what it is.

    It calls ``on_read`` with the number of bytes of each read.
    """

    def __init__(
        self, head: bytes, rest: ByteSource, on_read: Callable[[int], None] = _ignore
    ) -> None:
        self._head = head
        self._rest = rest
        self._on_read = on_read

    def read(self, size: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._rest.read(size)
        self._on_read(len(data))
        return data


@final
@dataclass(frozen=True, slots=True)
class Opened:
    """An opened input: the decompressed bytes of an archive, or a folder.

    ``size_bytes`` is the size of the input itself in bytes; None for a pipe or a folder.
    ``outermost`` has the counts of the input and of what is decoded inside it. ``head`` holds the
    first `HEAD_BYTES` bytes of ``stream``, or all of a shorter one. ``compression``
    names how the input is compressed, and ``decoding`` decompresses it.
    """

    stream: ByteSource | None
    folder: Path | None
    seekable: bool
    size_bytes: int | None
    outermost: Outermost = field(default_factory=Outermost)
    head: bytes = b""
    compression: str = ""
    decoding: DecodingReader | None = None

    def notes(self) -> tuple[str, ...]:
        """Return notes about the input; they are complete once ``stream`` was read to its end."""
        zeros = 0 if self.decoding is None else self.decoding.padding_bytes
        return () if not zeros else (f"ignored {zeros} zero bytes after the compressed archive",)


def _refuse_special(status: os.stat_result, name: str) -> None:
    """Refuse an input that is a device, because reading it may never end.

    The null device is accepted, because it is empty.

    Raises:
        InvalidInput: The input is a device other than the null device.
    """
    mode = status.st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        with suppress(OSError):
            if os.stat(os.devnull).st_rdev == status.st_rdev:  # noqa: PTH116 - no path of the input
                return
        raise InvalidInput(
            f"cannot read {name}: it is a device",
            hint="copy the archive from the device to a file, and give the file",
        )


def _status(stream: BinaryIO) -> os.stat_result | None:
    """Return the status of a stream's file, or None if the stream has no file descriptor."""
    try:
        return os.fstat(stream.fileno())
    except (OSError, AttributeError):
        return None


def _regular_size(stream: BinaryIO) -> int | None:
    """Return the size of the regular file behind ``stream``, or None for any other stream.

    The stream must be at the start of the file. Standard input can be such a stream.
    """
    status = _status(stream)
    with suppress(OSError):
        if status is not None and stat.S_ISREG(status.st_mode) and stream.tell() == 0:
            return status.st_size
    return None


@contextmanager
def open_source(source: Path | BinaryIO, limits: Limits) -> Iterator[Opened]:
    """Open an archive or a folder.

    Args:
        source: A path, or a stream at its start.
        limits: ``archive_bytes`` and ``ratio`` bound the decompressed archive.

    Raises:
        InvalidInput: The path does not exist, cannot be opened, or is a device.
        TruncatedInput: The input is empty.
    """
    if not isinstance(source, Path):
        status = _status(source)
        if status is not None:
            _refuse_special(status, "the input")
        size_bytes = _regular_size(source)
        with _decompressed(source, limits, seekable=size_bytes is not None) as opened:
            yield replace(opened, size_bytes=size_bytes)
        return
    name = printable(str(source))
    try:
        with translated(source, whose=Whose.INPUT):
            status = source.stat()
            _refuse_special(status, name)
            file = None if stat.S_ISDIR(status.st_mode) else source.open("rb", buffering=0)
    except FileNotFoundError:
        raise InvalidInput(f"{name}: no such file") from None
    if file is None:
        yield Opened(None, source, seekable=True, size_bytes=None, outermost=Outermost())
        return
    with file, _decompressed(file, limits, seekable=source.is_file()) as opened:
        yield replace(opened, size_bytes=source.stat().st_size if source.is_file() else None)


@contextmanager
def _decompressed(file: BinaryIO, limits: Limits, *, seekable: bool) -> Iterator[Opened]:
    head = _read_head(file)
    if not head:
        raise TruncatedInput(
            "the input is empty", hint="check that the command that wrote it succeeded"
        )
    codec = detect(head)
    is_lz4 = head.startswith(lz4_frames.MAGIC)
    is_plain = codec is Codec.IDENTITY and not is_lz4
    if is_plain and seekable:
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        yield Opened(
            file,
            None,
            seekable=True,
            size_bytes=None,
            outermost=Outermost(size_bytes),
            head=head,
        )
        return
    outermost = Outermost()
    stream = _Prefixed(head, file, outermost.note_read)
    if is_plain:
        yield Opened(stream, None, seekable=False, size_bytes=None, outermost=outermost, head=head)
        return
    size, ratio = limits.archive_bytes, ratio_of(limits)
    decoding = DecodingReader(
        stream,
        lz4_frames.lz4_decoder(max_bytes=size, ratio=ratio)
        if is_lz4
        else decoder(
            codec,
            max_bytes=size,
            ratio=ratio,
            window_bytes=ARCHIVE_WINDOW_BYTES,
            zero_padding=True,
        ),
    )
    try:
        head = _read_head(decoding)
        yield Opened(
            _Prefixed(head, decoding),
            None,
            seekable=False,
            size_bytes=None,
            outermost=outermost,
            head=head,
            compression="lz4" if is_lz4 else str(codec),
            decoding=decoding,
        )
    finally:
        decoding.close()


def _read_head(source: ByteSource) -> bytes:
    """Return the first `HEAD_BYTES` bytes of a source, or all bytes if it has fewer."""
    parts: list[bytes] = []
    missing = HEAD_BYTES
    while missing > 0 and (more := source.read(missing)):
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)
