"""Archives compressed with lz4."""

from __future__ import annotations

from typing import Any

import pytest

from store.errors import CorruptStream, TooLarge, TruncatedInput
from store.formats.compression.growth import Ratio, ratio_of
from store.formats.compression.lz4_frames import MAGIC, lz4_decoder
from store.model.limits import Limits

frame: Any = pytest.importorskip("lz4.frame", reason="lz4 is not installed: run `make env`")

DATA = bytes(range(256)) * 9000


def decode(data: bytes, step: int = 1 << 20, ratio: Ratio | None = None) -> bytes:
    decoder = lz4_decoder(max_bytes=5_000_000, ratio=ratio)
    pieces = [
        piece for at in range(0, len(data), step) for piece in decoder.feed(data[at : at + step])
    ]
    return b"".join([*pieces, *decoder.finish()])


@pytest.mark.parametrize("step", [7, 4096, 1 << 20])
def test_consecutive_frames_are_one_stream(step: int) -> None:
    one = frame.compress(DATA, content_checksum=True)
    assert one.startswith(MAGIC)
    assert decode(one + frame.compress(b"") + one, step) == DATA * 2


def test_stored_blocks_are_read() -> None:
    blocks = b"".join(
        (len(piece) | 1 << 31).to_bytes(4, "little") + piece for piece in (b"a" * 65536, b"b")
    )
    assert decode(MAGIC + b"\x60\x40\x82" + blocks + bytes(4)) == b"a" * 65536 + b"b"


def test_broken_frames_are_refused() -> None:
    one = frame.compress(DATA, content_checksum=True)
    with pytest.raises(TruncatedInput):
        decode(one[:-3])
    with pytest.raises(CorruptStream):
        decode(one[:-2] + b"xx")
    with pytest.raises((CorruptStream, TruncatedInput)):
        decode(one + b"no frame at all")


def test_the_decoded_bytes_are_limited() -> None:
    with pytest.raises(TooLarge):
        decode(frame.compress(bytes(5_000_001)))
    with pytest.raises(TooLarge):
        decode(frame.compress(bytes(4_000_000)), ratio=ratio_of(Limits(ratio=10, free_bytes=1000)))
