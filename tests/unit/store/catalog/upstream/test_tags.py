from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from store.catalog.upstream import tags as upstream_tags
from store.catalog.upstream.tags import UpstreamTag
from store.model.digests import Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from store import Store

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_tag_has_one_row(store: Store) -> None:
    one, two = Reference.parse("docker.io/team/app:1"), Reference.parse("quay.io/team/app:1")
    rows = [UpstreamTag(Digest.of(data), "etag", NOW) for data in (b"a", b"b", b"c")]
    with store.write() as connection:
        for name, row in ((one, rows[0]), (two, rows[1]), (one, rows[2])):
            upstream_tags.put(connection, name, row)
    with store.read() as connection:
        assert upstream_tags.get(connection, one) == rows[2]
        assert upstream_tags.get(connection, two) == rows[1]
        assert upstream_tags.get(connection, Reference.parse("team/app:1.4")) is None
