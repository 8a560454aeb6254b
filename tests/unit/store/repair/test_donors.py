from __future__ import annotations

from store.model.digests import Digest
from store.repair.donors import Wanted


def test_everything_that_is_wanted_is_wanted_in_some_form() -> None:
    one, two = Digest.of(b"1"), Digest.of(b"2")
    assert Wanted(frozenset({one}), frozenset({one, two})).every == {one, two}
    assert not Wanted().every
