"""Compression of a whole archive while it is written.

The same archive and the same library version give the same bytes, because the header has no name
and no time.
"""

from __future__ import annotations

import os
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol, final

import zstandard

from exporter.output.tar_stream import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.output.tar_stream import Sink

CODECS: Final = ("gzip", "zstd")
_GZIP_LEVEL: Final = 6
_ZSTD_LEVEL: Final = 3
_GZIP_WINDOW: Final = 31
"""The value of zlib's ``wbits`` for the largest window in a gzip wrapper (manual, deflateInit2)."""


class _Compressor(Protocol):
    def compress(self, data: bytes | memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


@final
class Compressing:
    """A sink that compresses the data written to it, and writes the result to another sink.

    The sink has no ``fileno``. So archives are written to it as a stream, from the first byte to
    the last.
    """

    def __init__(self, sink: Sink, compressor: _Compressor) -> None:
        self._sink = sink
        self._compressor = compressor

    def write(self, data: bytes | memoryview, /) -> int:
        """Compress all of ``data`` and return its length in bytes."""
        write_all(self._sink, self._compressor.compress(data))
        return len(data)

    def finish(self) -> None:
        """Write the end of the compressed stream."""
        write_all(self._sink, self._compressor.flush())


@contextmanager
def compressed(sink: Sink, codec: str | None) -> Iterator[Sink]:
    """Yield a sink that compresses into ``sink``, and finish the stream if the block succeeds.

    Args:
        sink: Receives the compressed bytes.
        codec: ``gzip`` or ``zstd``; None yields ``sink`` itself.
    """
    if codec is None:
        yield sink
        return
    compressor: _Compressor
    if codec == "gzip":
        compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    else:
        compressor = zstandard.ZstdCompressor(
            level=_ZSTD_LEVEL, write_checksum=True, threads=os.cpu_count() or 1
        ).compressobj()
    compressing = Compressing(sink, compressor)
    yield compressing
    compressing.finish()
