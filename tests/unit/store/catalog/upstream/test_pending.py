"""Manifests that are not published yet, and the tags that name them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog.upstream import pending
from store.catalog.upstream.pending import PendingManifest
from store.model.digests import Digest
from store.model.references import Reference, Repository
from tests.conftest import NOW

if TYPE_CHECKING:
    from store import Store

TEAM = Repository("docker.io", "team/app")
OTHER = Repository("docker.io", "team/other")
NAME = Reference(TEAM, "1")


def manifest(data: bytes, tag: str | None = None, etag: str = "") -> PendingManifest:
    return PendingManifest(Digest.of(data), "application/x", data, tag, etag, NOW)


ONE, TWO = manifest(b"1", "1", '"a"'), manifest(b"2", "1", '"b"')


def test_later_manifests_have_higher_numbers(store: Store) -> None:
    with store.write() as connection:
        first = pending.put(connection, TEAM, manifest(b"1"))
        second = pending.put(connection, TEAM, manifest(b"2"))
        pending.put(connection, OTHER, manifest(b"3"))
        assert second > first
        assert pending.since(connection, TEAM, 0) == [
            (first, manifest(b"1")),
            (second, manifest(b"2")),
        ]
        assert pending.since(connection, TEAM, first) == [(second, manifest(b"2"))]
        # A number is never used again.
        pending.remove(connection, TEAM, TWO.digest)
        assert pending.put(connection, TEAM, manifest(b"4")) > second


def test_a_tag_names_what_was_seen_last(store: Store) -> None:
    with store.write() as connection:
        pending.put(connection, TEAM, ONE)
        assert pending.of_tag(connection, NAME) == ONE
        # By its digest, it keeps its tag.
        pending.put(connection, TEAM, manifest(b"1"))
        assert pending.tag_of(connection, TEAM, ONE.digest) == ("1", '"a"', NOW)
        pending.put(connection, TEAM, TWO)
        assert pending.of_tag(connection, NAME) == TWO
        assert pending.tag_of(connection, TEAM, ONE.digest) == (None, '"a"', NOW)
        assert pending.of_tag(connection, Reference(OTHER, "1")) is None
        assert pending.tag_of(connection, OTHER, ONE.digest) is None
        pending.remove(connection, TEAM, TWO.digest)
        assert pending.of_tag(connection, NAME) is None


def test_the_oldest_manifests_are_forgotten(store: Store) -> None:
    def kept(connection: object, **limits: int) -> int:
        pending.prune(
            connection,  # type: ignore[arg-type] # of the block below
            newest,
            most=limits.get("most", 1000),
            max_bytes=limits.get("max_bytes", 1000),
            before=NOW + timedelta(limits.get("days", -1)),
        )
        return len(pending.since(connection, TEAM, 0))  # type: ignore[arg-type]

    with store.write() as connection:
        for number in range(10):
            newest = pending.put(connection, TEAM, manifest(b"%d" % number))
        assert kept(connection) == 10
        assert kept(connection, max_bytes=7) == 7
        assert kept(connection, most=4) == 4
        (_, last) = pending.since(connection, TEAM, 0)[-1]
        assert last == manifest(b"9")
        assert kept(connection, days=1) == 0
