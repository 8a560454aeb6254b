"""The index that lists the referrers of a manifest."""

from __future__ import annotations

import json

import pytest

from store.catalog.lists.repository_lists import Referrer
from store.formats.distribution import referrers
from store.model.digests import Digest
from store.model.references import is_tag


def test_index_is_cut_at_the_size_that_clients_accept() -> None:
    annotations = {"key": "v" * (2 * 1024 * 1024)}
    large = Referrer(Digest.of(b"1"), 1, "a/b", "c/d", annotations)
    body, listed = referrers.encode_index([large, large])
    assert listed == 1
    assert json.loads(body)["manifests"] == [
        {
            "mediaType": "a/b",
            "digest": str(large.digest),
            "size": 1,
            "artifactType": "c/d",
            "annotations": annotations,
        }
    ]
    body, listed = referrers.encode_index([Referrer(large.digest, 1, "a/b", "")] * 2)
    assert listed == 2
    assert (
        referrers.encode_index(
            [Referrer(large.digest, 1, "a/b", ""), Referrer(large.digest, 1, "a/b", "", None)]
        )[1]
        == 1
    )
    assert "artifactType" not in json.loads(body)["manifests"][0]


@pytest.mark.parametrize(
    ("algorithm", "hex_digits"), [("sha256", 64), ("sha512", 64)], ids=["sha256", "sha512"]
)
def test_fallback_tag_is_cut_to_the_length_of_a_tag(algorithm: str, hex_digits: int) -> None:
    digest = Digest.of(b"subject", algorithm)
    assert referrers.fallback_tag(digest) == f"{algorithm}-{digest.hex[:hex_digits]}"
    assert is_tag(referrers.fallback_tag(digest))


def test_text_that_is_not_unicode_does_not_break_the_index() -> None:
    one = Referrer(Digest.of(b"1"), 1, "a/b", "", {"key": "\udc80"})
    body, listed = referrers.encode_index([one])
    assert listed == 1
    assert json.loads(body)["manifests"][0]["annotations"] == {"key": "?"}
