from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from store.catalog.upstream import synced_tags
from store.catalog.upstream.synced_tags import SyncedName, SyncedTag
from store.model.digests import Digest

if TYPE_CHECKING:
    from store import Store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ONE, TWO = SyncedName("docker.io/team/app", "1"), SyncedName("docker.io/team/app", "2")


def row(data: bytes | None) -> SyncedTag:
    digest = None if data is None else Digest.of(data)
    return SyncedTag("quay.io/team/app", digest, "etag", "parts", None, NOW, 0)


def test_each_sync_has_rows_of_its_own(store: Store) -> None:
    with store.write() as connection:
        synced_tags.put(connection, "a", {ONE: row(b"1"), TWO: row(b"2")})
        synced_tags.put(connection, "a", {ONE: row(b"3")})
        synced_tags.put(connection, "b", {TWO: row(None)})
    with store.read() as connection:
        assert synced_tags.of_sync(connection, "a") == {ONE: row(b"3"), TWO: row(b"2")}
        assert synced_tags.of_sync(connection, "b") == {TWO: row(None)}
        assert synced_tags.is_kept_by_others(connection, "b", TWO)
        assert not synced_tags.is_kept_by_others(connection, "a", ONE)
        # A tag that was never there is not kept.
        assert not synced_tags.is_kept_by_others(connection, "a", TWO)


def test_forgotten_tags_have_no_row(store: Store) -> None:
    with store.write() as connection:
        synced_tags.put(connection, "a", {ONE: row(b"1"), TWO: row(b"2")})
        synced_tags.forget(connection, "a", [ONE])
        synced_tags.forget(connection, "a", [])
        assert list(synced_tags.of_sync(connection, "a")) == [TWO]
