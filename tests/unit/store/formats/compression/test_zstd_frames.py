"""Decoding of zstd frames; test_decoders.py has more cases."""

from __future__ import annotations

import pytest
import zstandard

from store.errors import TooLarge, TruncatedInput
from store.formats.compression.growth import OutputCeiling
from store.formats.compression.zstd_frames import ZstdFrames

MIB = 1 << 20


def decoder(needed: list[int], window_bytes: int) -> ZstdFrames:
    return ZstdFrames(OutputCeiling(1 << 30, MIB, None, None), needed.append, window_bytes)


def wide(data: bytes, window_log: int) -> bytes:
    """Return a frame without a content size, so that the window is in its header."""
    parameters = zstandard.ZstdCompressionParameters(
        window_log=window_log, enable_ldm=False, write_content_size=False
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(("window_log", "limit", "fits"), [(20, MIB, True), (21, MIB, False)])
def test_the_window_is_limited(window_log: int, limit: int, *, fits: bool) -> None:
    frame, needed = wide(b"data", window_log), list[int]()
    if not fits:
        with pytest.raises(TooLarge):
            list(decoder(needed, limit).feed(frame))
        assert needed == []
        return
    decode = decoder(needed, limit)
    assert b"".join([*decode.feed(frame), *decode.finish()]) == b"data"
    assert limit <= needed[0] < 2 * limit


def test_a_frame_must_be_whole() -> None:
    decode = decoder([], MIB)
    list(decode.feed(zstandard.compress(b"data")[:-1]))
    with pytest.raises(TruncatedInput):
        list(decode.finish())


@pytest.mark.parametrize("max_bytes", [MIB, 3 * MIB - 1])
def test_a_frame_that_decodes_to_more_than_the_ceiling_is_refused(max_bytes: int) -> None:
    decode = ZstdFrames(OutputCeiling(max_bytes, MIB, None, None), list[int]().append, MIB << 3)
    with pytest.raises(TooLarge):
        list(decode.feed(zstandard.compress(bytes(3 * MIB))))
