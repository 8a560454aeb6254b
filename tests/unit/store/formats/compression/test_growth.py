"""The ceilings for the growth of data while it is decoded."""

from __future__ import annotations

import gzip

import pytest

from store.errors import TooLarge
from store.formats.compression.decoders import decoder
from store.formats.compression.growth import Outermost, OutputCeiling, Ratio
from store.model.contents import Codec
from store.model.remedies import Remedy


def decode(data: bytes, ratio: Ratio) -> int:
    made = decoder(Codec.GZIP, max_bytes=1 << 40, ratio=ratio)
    return sum(map(len, [*made.feed(data), *made.finish()]))


def test_a_ratio_allows_its_free_bytes() -> None:
    ratio = Ratio(10, 1000)
    assert ratio.allows(1000, 1)
    assert not ratio.allows(1001, 1)
    assert ratio.allows(2000, 200)


def test_the_ratio_holds_for_the_product_of_all_levels() -> None:
    """Each layer keeps the ratio, but the archive around them was compressed as well."""
    layer = gzip.compress(bytes(40_000))
    outermost = Outermost()
    outermost.read_bytes = 500
    ratio = Ratio(1000, 50_000, outermost)
    for _ in range(500 * 1000 // 40_000):
        assert decode(layer, ratio) == 40_000
    with pytest.raises(TooLarge, match="data of all members") as caught:
        decode(layer, ratio)
    assert caught.value.remedy is Remedy.RAISE_RATIO_LIMIT
    outermost.read_bytes = 1000
    assert decode(layer, ratio) == 40_000


def test_a_decoder_is_asked_for_one_byte_more_than_the_ceiling() -> None:
    ceiling = OutputCeiling(10, 8, None, None)
    assert ceiling.piece_bytes == 8
    ceiling.count(bytes(8))
    assert ceiling.piece_bytes == 3
    with pytest.raises(TooLarge):
        ceiling.count(bytes(3))
