"""Detection of a stream's codec by its magic number."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest
import zstandard

from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.model.contents import Codec

ENCODED = {
    Codec.IDENTITY: b"data",
    Codec.GZIP: gzip.compress(b"data"),
    Codec.BZIP2: bz2.compress(b"data"),
    Codec.XZ: lzma.compress(b"data"),
    Codec.ZSTD: zstandard.ZstdCompressor().compress(b"data"),
}


@pytest.mark.parametrize("codec", Codec)
def test_a_codec_is_detected_by_its_first_bytes(codec: Codec) -> None:
    assert detect(ENCODED[codec][:MAGIC_BYTES]) is codec


def test_magic_numbers_are_exact() -> None:
    assert detect(b"\x1f\x8b\x08") is Codec.GZIP
    assert detect(b"\x1f\x8b\x07") is Codec.IDENTITY
    assert detect(b"\xfd7zXZ\0") is Codec.XZ
    for nibble in range(16):
        assert detect(bytes([0x50 | nibble]) + b"\x2a\x4d\x18") is Codec.ZSTD
    assert detect(b"\x60\x2a\x4d\x18") is Codec.IDENTITY
    for short in (b"", b"\x1f\x8b", b"BZ", b"\xfd7zXZ", b"\x28\xb5\x2f", b"\x50\x2a\x4d"):
        assert detect(short) is Codec.IDENTITY
