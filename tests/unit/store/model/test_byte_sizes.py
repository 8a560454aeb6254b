"""Units of sizes."""

from __future__ import annotations

from store.model.byte_sizes import GIB, MIB


def test_units_are_powers_of_two() -> None:
    assert (MIB, GIB) == (1 << 20, 1 << 30)
