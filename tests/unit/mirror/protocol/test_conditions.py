"""Conditional requests: the headers that compare entity tags."""

from __future__ import annotations

from mirror.protocol import conditions
from store.model.digests import Digest


def test_conditions_compare_entity_tags() -> None:
    tag = conditions.etag(Digest.of(b""))
    assert conditions.is_known(tag, tag)
    assert conditions.is_known(f'"x", W/{tag}', tag)
    assert conditions.is_known("*", tag)
    assert not conditions.is_known('"x"', tag)
    assert not conditions.is_known(None, tag)
    assert conditions.range_applies(None, tag)
    assert conditions.range_applies(tag, tag)
    assert not conditions.range_applies(f"W/{tag}", tag)
    assert not conditions.range_applies("Wed, 21 Oct 2015 07:28:00 GMT", tag)
