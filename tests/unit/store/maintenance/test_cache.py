"""The limits of what was pulled through: which tags a collection removes, and what stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from store.catalog.upstream import tags as upstream_tags
from store.catalog.upstream.pulled import pulled, sizes
from store.maintenance.cache import expired
from store.model.cache_limits import CacheLimits
from store.model.references import Reference
from tests.support.images import A, B, E
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.maintenance.reports import CollectionReport

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def pull(store: Store, name: str, layer: bytes, *, days_ago: int) -> None:
    """Store an image as a server with an upstream registry does."""
    put_image(store, layer, tags=(name,))
    mark(store, name, days_ago=days_ago)


def mark(store: Store, name: str, *, days_ago: int) -> None:
    digest = store.inspect_manifest(name).summary.digest
    seen = upstream_tags.UpstreamTag(digest, "", NOW - days_ago * DAY)
    with store.write() as connection:
        upstream_tags.put(connection, Reference.parse(name), seen)


def collected(store: Store, *, dry_run: bool = False, **limits: Any) -> CollectionReport:  # noqa: ANN401 - of both limits
    store.cache_limits = CacheLimits(**limits)
    return store.collect(dry_run=dry_run)


def names(store: Store) -> list[str]:
    return sorted(one.familiar for one in store.names("", 99))


def test_the_tags_that_were_not_used_for_longest_go_first(store: Store) -> None:
    pull(store, "x:new", A, days_ago=0)
    pull(store, "x:old", B, days_ago=10)
    pull(store, "x:older", E, days_ago=20)
    put_image(store, A, B, tags=("x:own",))
    report = collected(store, max_age=15 * DAY)
    assert report.cached_tags == 1
    assert names(store) == ["x:new", "x:old", "x:own"]
    assert report.freed_bytes > 0
    report = collected(store, dry_run=True, max_age=DAY)
    assert report.cached_tags == 1
    assert len(names(store)) == 3
    assert collected(store).cached_tags == 0
    assert list(store.fsck()) == []


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_the_size_counts_shared_content_once(store: Store, left: int) -> None:
    for number, (name, layers) in enumerate((("x:1", (A,)), ("x:2", (A, B)), ("x:3", (A, B, E)))):
        put_image(store, *layers, tags=(name,))
        mark(store, name, days_ago=number)
    with store.read() as connection:
        # The last `left` tags that were used, whose sizes are added up without their common layers.
        used = [one.manifest for one in pulled(connection)[:left]]
        size = sum(sizes(connection, used).values())
        for less in (0, 1):
            kept = 3 - len(expired(connection, CacheLimits(max_bytes=size - less)))
            assert kept == max(left - less, 0)
    assert collected(store, max_bytes=size).cached_tags == 3 - left
    assert names(store) == ["x:1", "x:2", "x:3"][:left]
    assert list(store.fsck()) == []


def test_a_tag_that_was_set_here_stays_and_so_does_its_image(store: Store) -> None:
    pull(store, "x:1", A, days_ago=9)
    pull(store, "x:2", B, days_ago=9)
    pull(store, "x:3", E, days_ago=0)
    # A push has moved one tag, and the image of another tag has a second name.
    put_image(store, A, B, tags=("x:1",))
    store.tag("x:2", "mine:1")
    report = collected(store, max_age=DAY)
    assert report.cached_tags == 1
    assert names(store) == ["mine:1", "x:1", "x:3"]
    assert store.inspect("mine:1").image_id
    assert list(store.fsck()) == []


def test_no_time_passes_for_a_registry_that_does_not_answer(store: Store) -> None:
    pull(store, "docker.io/team/x:1", A, days_ago=100)
    pull(store, "docker.io/team/x:2", B, days_ago=101)
    pull(store, "quay.io/team/x:1", E, days_ago=0)
    assert collected(store, max_age=2 * DAY).cached_tags == 0
    assert collected(store, max_age=DAY / 2).cached_tags == 1
    assert "team/x:2" not in names(store)
