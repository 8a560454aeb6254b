from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
import zstandard

from store.content.reader import Reader
from store.errors import DamagedContent
from store.formats.compression.seekable_zstd import seek_table
from store.model.contents import ContentState, Sources, StoredEncoding
from store.model.digests import Digest

if TYPE_CHECKING:
    from store.blobs.protocol import BlobStore

PARTS = [b"line after line\n" * 5000, b"more of the same\n" * 5000]


class OneBlob:
    """A place for blobs that holds one, whatever it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self, _digest: Digest) -> BinaryIO:
        return io.BytesIO(self._data)


def seekable() -> bytes:
    frames = [zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in PARTS]
    return b"".join(frames) + seek_table(
        [(len(frame), len(part)) for frame, part in zip(frames, PARTS, strict=True)]
    )


def read(stored: bytes, claimed: bytes) -> bytes:
    """Read what lies on disk as ``stored``, under the digest of ``claimed``."""
    content = b"".join(PARTS)
    encoding = StoredEncoding(Digest.of(claimed), "zstd", len(claimed), seekable=True)
    sources = Sources(
        Digest.of(content),
        len(content),
        ContentState.PRESENT,
        None,
        in_file=False,
        encodings=(encoding,),
    )
    with Reader(cast("BlobStore", OneBlob(stored))) as reader:
        return b"".join(reader.chunks(sources))


def test_frames_come_out_in_order() -> None:
    sound = seekable()
    assert read(sound, sound) == b"".join(PARTS)


def test_damaged_frame_header_does_not_ask_for_memory_without_end() -> None:
    sound = seekable()
    # A frame of one segment with a checksum and an eight-byte size: a pebibyte.
    damaged = sound[:4] + b"\xe4" + (1 << 50).to_bytes(8, "little") + sound[13:]
    with pytest.raises(DamagedContent):
        read(damaged, sound)


def test_flipped_bits_in_a_frame_header_are_noticed() -> None:
    sound = seekable()
    for bit in range(13 * 8):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedContent):
            read(bytes(damaged), sound)
