from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from store.catalog.collection import reachability
from store.catalog.upstream import tags as upstream_tags
from store.catalog.upstream.pulled import pulled, sizes
from store.model.digests import Digest
from store.model.references import Reference
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_only_tags_that_name_what_was_pulled_are_returned(store: Store) -> None:
    put_image(store, A, tags=("x:1", "x:2", "x:own"))
    digest = store.inspect_manifest("x:1").summary.digest
    rows = {
        "x:1": (digest, NOW),
        "x:2": (digest, NOW + timedelta(1)),
        "x:own": (Digest.of(b"other"), NOW),
        "x:gone": (digest, NOW),
    }
    with store.write() as connection:
        for name, (seen, at) in rows.items():
            row = upstream_tags.UpstreamTag(seen, "", at)
            upstream_tags.put(connection, Reference.parse(name), row)
    with store.read() as connection:
        found = pulled(connection)
    assert [one.reference.familiar for one in found] == ["x:2", "x:1"]
    assert [one.checked_at for one in found] == [NOW + timedelta(1), NOW]


def test_the_sizes_are_those_of_the_manifest_and_its_blobs(store: Store) -> None:
    put_image(store, A, B, tags=("x:1",))
    summary = store.inspect_manifest("x:1").summary
    with store.write() as connection:
        row = upstream_tags.UpstreamTag(summary.digest, "", NOW)
        upstream_tags.put(connection, Reference.parse("x:1"), row)
    with store.read() as connection:
        (one,) = pulled(connection)
        found = sizes(connection, reachability.below(connection, one.manifest))
    # The manifest, the config and two layers.
    assert len(found) == 4
    assert sum(found.values()) > len(A) + len(B)
