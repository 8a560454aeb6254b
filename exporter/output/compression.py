"""A whole archive compressed on its way out.

The same archive and library give the same bytes: no names and no times in the header.
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
"""The largest window, in a gzip wrapper (zlib manual, deflateInit2)."""


class _Compressor(Protocol):
    def compress(self, data: bytes | memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


@final
class Compressing:
    """A sink before a sink. It is no file: what is compressed can only be a stream."""

    def __init__(self, sink: Sink, compressor: _Compressor) -> None:
        self._sink = sink
        self._compressor = compressor

    def write(self, data: bytes | memoryview, /) -> int:
        """Take bytes; all of them are taken."""
        write_all(self._sink, self._compressor.compress(data))
        return len(data)

    def finish(self) -> None:
        """Nothing more follows."""
        write_all(self._sink, self._compressor.flush())


@contextmanager
def compressed(sink: Sink, codec: str | None) -> Iterator[Sink]:
    """``sink``, or one that compresses into it (``gzip``, ``zstd``)."""
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
