"""Detection of a stream's codec by the stream's magic number; file names are never used."""

from __future__ import annotations

from typing import Final

from store.formats.compression import gzip_header, xz_header, zstd_blocks
from store.model.contents import Codec

MAGIC_BYTES: Final = 6
"""How many bytes `detect` needs. If the input is shorter, pass all of it."""

_BZIP2_MAGIC: Final = b"BZh"


def detect(head: bytes) -> Codec:
    """Return the codec of a stream; `Codec.IDENTITY` if no magic number matches.

    Args:
        head: The first `MAGIC_BYTES` bytes of the stream, or all bytes of a shorter stream.
    """
    if head.startswith(gzip_header.MAGIC):
        return Codec.GZIP
    if head.startswith(_BZIP2_MAGIC):
        return Codec.BZIP2
    if head.startswith(xz_header.MAGIC):
        return Codec.XZ
    if head.startswith(zstd_blocks.MAGIC) or (
        len(head) >= len(zstd_blocks.MAGIC) and zstd_blocks.is_skippable(head[:4])
    ):
        return Codec.ZSTD
    return Codec.IDENTITY
