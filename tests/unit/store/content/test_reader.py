from __future__ import annotations

import contextlib

import pytest
import zstandard

from store.blobs.memory import MemoryBlobs
from store.content.reader import PIECE_BYTES, Reader
from store.errors import ContentMissing, DamagedContent, FalseEncoding
from store.formats.compression.seekable_zstd import seek_table
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest
from tests.support.hostile_zstd import ATTACKS, frame

PARTS = [b"line after line\n" * 5000, b"more of the same\n" * 5000]


def seekable() -> bytes:
    frames = [zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in PARTS]
    return b"".join(frames) + seek_table(
        [(len(frame), len(part)) for frame, part in zip(frames, PARTS, strict=True)]
    )


def read(stored: bytes, claimed: bytes) -> bytes:
    """Read content from a blob that holds ``stored`` under the digest of ``claimed``."""
    content = b"".join(PARTS)
    encoding = StoredEncoding(Digest.of(claimed), Codec.ZSTD, len(claimed), seekable=True)
    sources = Sources(
        Digest.of(content),
        len(content),
        ContentState.PRESENT,
        None,
        in_file=False,
        encodings=(encoding,),
    )
    with Reader(MemoryBlobs({Digest.of(claimed): stored})) as reader:
        return b"".join(reader.chunks(sources))


def plain(data: bytes, *, inline: bytes | None = None, size: int | None = None) -> Sources:
    return Sources(
        Digest.of(data),
        len(data) if size is None else size,
        ContentState.PRESENT,
        inline,
        in_file=inline is None,
        encodings=(),
    )


def test_frames_come_out_in_order() -> None:
    sound = seekable()
    assert read(sound, sound) == b"".join(PARTS)


def test_damaged_frame_header_does_not_ask_for_memory_without_end() -> None:
    sound = seekable()
    # This header announces a single segment of a pebibyte, with a checksum.
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


def test_a_flipped_bit_in_the_seek_table_is_noticed_although_the_frames_are_sound() -> None:
    sound = seekable()
    damaged = bytearray(sound)
    damaged[-1] ^= 1
    with pytest.raises(DamagedContent):
        read(bytes(damaged), sound)


def test_stored_bytes_that_decode_to_another_size_are_damaged() -> None:
    """The digest of the blob is right, so only the size of the decoded content shows the damage."""
    shorter = zstandard.compress(b"".join(PARTS)[:-1])
    with pytest.raises(DamagedContent):
        read(shorter, shorter)


def test_a_plain_blob_comes_out_in_pieces() -> None:
    data = bytes(PIECE_BYTES) + b"end"
    with Reader(MemoryBlobs({Digest.of(data): data})) as reader:
        assert list(reader.chunks(plain(data))) == [bytes(PIECE_BYTES), b"end"]


def test_a_plain_blob_with_other_bytes_is_damaged_after_its_last_piece() -> None:
    with Reader(MemoryBlobs({Digest.of(b"data"): b"dada"})) as reader:
        pieces = reader.chunks(plain(b"data"))
        assert next(pieces) == b"dada"
        with pytest.raises(DamagedContent) as caught:
            next(pieces)
    assert caught.value.digest == Digest.of(b"data")


def test_inline_bytes_are_hashed_too() -> None:
    with Reader(MemoryBlobs()) as reader:
        assert b"".join(reader.chunks(plain(b"data", inline=b"data"))) == b"data"
        with pytest.raises(DamagedContent):
            list(reader.chunks(plain(b"data", inline=b"dada")))


def test_a_missing_blob_is_an_error_when_reading_begins() -> None:
    with Reader(MemoryBlobs()) as reader, pytest.raises(ContentMissing):
        next(reader.chunks(plain(b"data")))


@pytest.mark.parametrize("attack", [*ATTACKS, "another_content"])
def test_a_foreign_encoding_never_gives_another_content(attack: str) -> None:
    """The catalogue marks the foreign encoding as seekable, as catalogues of old stores did."""
    good = b"".join(PARTS)
    evil = good[:-9] + bytes(9)
    stored = frame(evil) if attack == "another_content" else ATTACKS[attack](good, evil)
    with contextlib.suppress(DamagedContent):
        assert read(stored, stored) == good


def test_the_error_tells_a_false_encoding_from_a_damaged_blob() -> None:
    stored = frame(b"".join(PARTS)[::-1])
    with pytest.raises(FalseEncoding) as caught:
        read(stored, stored)
    assert caught.value.content == Digest.of(b"".join(PARTS))
