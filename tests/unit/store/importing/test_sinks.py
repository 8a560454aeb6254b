"""Sinks of layers: the bytes that a sink writes, the diff ID, and the digest of the blob."""

from __future__ import annotations

import hashlib
import io
import random
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.formats.compression.settings import FRAME_BYTES
from store.importing.sinks import FrameSink, KeptSink, PlainSink
from store.importing.workers import Pool
from store.model.digests import Digest, Hashed

if TYPE_CHECKING:
    from pathlib import Path

DATA = random.Random(1).randbytes(1000) * (FRAME_BYTES // 1000 * 2 + 500)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def frames(stored: bytes) -> list[bytes]:
    """Return the decoded zstd frames of a file up to the seek table."""
    found = []
    left = memoryview(stored)
    while left and bytes(left[1:4]) != b"\x2a\x4d\x18":
        decoder = zstandard.ZstdDecompressor().decompressobj()
        found.append(decoder.decompress(bytes(left)))
        left = left[len(left) - len(decoder.unused_data) :]
    return found


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_plain_sink_has_one_digest_for_both_sides(
    tmp_path: Path, pool: Pool, algorithm: str
) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        sink = PlainSink(file, pool, algorithm)
        for piece in pieces(DATA, 1 << 20):
            sink.feed(piece)
        diff, stored = sink.finish()
    assert diff == stored == Hashed(Digest.of(DATA, algorithm), len(DATA))
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize("size", [FRAME_BYTES, FRAME_BYTES + 1, 1 << 20])
def test_frames_do_not_depend_on_how_the_bytes_arrive(
    tmp_path: Path, pool: Pool, size: int
) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        sink = FrameSink(file, pool, 1)
        for piece in pieces(DATA, size):
            sink.feed(piece)
        diff, stored = sink.finish()
    written = (tmp_path / "file").read_bytes()
    assert diff == Hashed(Digest.of(DATA), len(DATA))
    assert stored == Hashed(Digest.of(written), len(written))
    assert frames(written) == pieces(DATA, FRAME_BYTES)


@pytest.mark.parametrize("data", [b"", b"one frame"])
def test_one_frame_needs_no_seek_table(tmp_path: Path, pool: Pool, data: bytes) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        sink = FrameSink(file, pool, 1, "sha512")
        sink.feed(data)
        diff, _ = sink.finish()
    written = (tmp_path / "file").read_bytes()
    assert diff.digest == Digest.of(data, "sha512")
    assert written == pool.compress_now(data, 1)


def test_a_full_pool_writes_the_same_file(tmp_path: Path) -> None:
    def encode(pool: Pool, name: str) -> bytes:
        with (tmp_path / name).open("wb", buffering=0) as file:
            sink = FrameSink(file, pool, 1)
            for piece in pieces(DATA, 1 << 20):
                sink.feed(piece)
            sink.finish()
        return (tmp_path / name).read_bytes()

    with Pool(1) as pool:
        alone = encode(pool, "alone")
        assert pool.prefetch(lambda: (pool.is_full, encode(pool, "full"))).result() == (True, alone)


def test_a_kept_sink_hashes_both_sides(tmp_path: Path, pool: Pool) -> None:
    stream = io.BytesIO()
    with (tmp_path / "file").open("wb", buffering=0) as file:
        sink = KeptSink(file, pool, "sha512")
        for number in range(50):
            sink.feed_stored(bytes([number]))
            sink.feed(bytes([number]) * 3)
            stream.write(bytes([number]) * 3)
        diff, stored = sink.finish()
    assert (tmp_path / "file").read_bytes() == bytes(range(50))
    assert stored == Hashed(Digest.of(bytes(range(50)), "sha512"), 50)
    assert diff.digest.hex == hashlib.sha256(stream.getvalue()).hexdigest()


@pytest.mark.parametrize("written", [0, 1, (1 << 20) - 1, 1 << 20, len(DATA) - 1, len(DATA)])
@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_bytes_that_the_file_has_already_are_hashed_and_not_written(
    tmp_path: Path, pool: Pool, kind: str, written: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA[:written])
    with path.open("r+b", buffering=0) as file:
        file.seek(written)
        sink = (
            PlainSink(file, pool, written_bytes=written)
            if kind == "plain"
            else KeptSink(file, pool, written_bytes=written)
        )
        for piece in pieces(DATA, 1 << 20):
            sink.feed_stored(piece) if isinstance(sink, KeptSink) else sink.feed(piece)
        _, stored = sink.finish()
    assert stored == Hashed(Digest.of(DATA), len(DATA))
    assert path.read_bytes() == DATA
