from __future__ import annotations

from store.content.decoding import Decoding
from store.formats.compression.decoders import LARGEST_MEMORY_BYTES
from store.model.limits import DEFAULT_LIMITS, Limits


def test_one_layer_with_the_largest_window_fits() -> None:
    for decoding in (Decoding(), Decoding.of_server(Limits(ratio=7))):
        for budget in (decoding.memory, decoding.transfers):
            with budget.lease() as lease, budget.lease() as small:
                lease.require(LARGEST_MEMORY_BYTES)
                small.require(1 << 20)
                assert budget.used_bytes == LARGEST_MEMORY_BYTES + (1 << 20)


def test_limits_are_those_of_imports_unless_others_are_given() -> None:
    assert Decoding().limits == Decoding.of_server().limits == DEFAULT_LIMITS
    assert Decoding.of_server(Limits(ratio=7)).limits.ratio == 7
