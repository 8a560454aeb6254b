from __future__ import annotations

import bz2
import gzip
import lzma
import random
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.blobs.memory import MemoryBlobs
from store.content.stored import open_stored
from store.content.streams import stream
from store.errors import TooLarge
from store.formats.compression.decoders import LARGEST_MEMORY_BYTES, PIECE_BYTES
from store.formats.compression.growth import Ratio
from store.formats.compression.memory import MemoryBudget
from store.model.contents import Codec
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.blobs.protocol import OpenBlob

DATA = random.Random(4).randbytes(100_000) * 20


def long_window(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(data) + compressor.flush()


def opened(data: bytes) -> OpenBlob:
    return open_stored(MemoryBlobs({Digest.of(data): data}), Digest.of(data))


@pytest.mark.parametrize(
    ("codec", "compress", "least"),
    [
        (Codec.GZIP, gzip.compress, 0),
        (Codec.BZIP2, bz2.compress, 3 * MIB),
        (Codec.XZ, lzma.compress, 8 * MIB),
        (Codec.ZSTD, zstandard.compress, len(DATA)),
        (Codec.ZSTD, long_window, 128 * MIB),
    ],
)
def test_a_stream_takes_a_lease_for_what_its_decoder_needs(
    codec: Codec, compress: Callable[[bytes], bytes], least: int
) -> None:
    stored: list[bytes] = []
    blob = compress(DATA)
    with MemoryBudget(1 << 30).lease() as lease:
        pieces = stream(
            opened(blob),
            codec,
            max_bytes=len(DATA),
            memory=lease,
            on_stored=stored.append,
            read_bytes=5000,
        )
        assert b"".join(pieces) == DATA
        assert least <= lease.size_bytes - 5000 - PIECE_BYTES <= LARGEST_MEMORY_BYTES
    assert b"".join(stored) == blob
    assert max(map(len, stored)) == 5000


def test_a_later_frame_with_a_larger_window_grows_the_lease() -> None:
    blob = zstandard.compress(DATA[:10]) + long_window(DATA)
    with MemoryBudget(1 << 30).lease() as lease:
        pieces = stream(opened(blob), Codec.ZSTD, max_bytes=1 << 30, memory=lease)
        assert next(pieces) == DATA[:10]
        assert lease.size_bytes < 4 * MIB
        next(pieces)
        assert lease.size_bytes > 128 * MIB


def test_a_stream_keeps_the_ratio() -> None:
    with MemoryBudget(1 << 30).lease() as lease, pytest.raises(TooLarge):
        list(
            stream(
                opened(gzip.compress(bytes(100_000))),
                Codec.GZIP,
                max_bytes=1 << 30,
                memory=lease,
                ratio=Ratio(100, 1000),
            )
        )
