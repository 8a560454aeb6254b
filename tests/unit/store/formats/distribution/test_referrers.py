"""The index of referrers."""

from __future__ import annotations

import json

from store.catalog.lists.repository_lists import Referrer
from store.formats.distribution import referrers
from store.model.digests import Digest


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
