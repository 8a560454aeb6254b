"""The decision of what an image needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from remote.sync.items import Item, Step, decide
from remote.sync.sources import Parts
from store.catalog.upstream.synced_tags import SyncedTag
from store.model.digests import Digest
from tests.support.syncs import read

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE, TWO = Digest.of(b"1"), Digest.of(b"2")
(SOURCE,) = read("sources: [{repository: team/app, tags: [v1, edge], immutable: [v*]}]").sources
SEEN = SyncedTag("docker.io/team/app", ONE, "", Parts().fingerprint, None, NOW - HOUR, 0)
EDGE, V1 = (Item.of_tag(SOURCE, Parts(), tag) for tag in ("edge", "v1"))
SIGNED = Item.of_tag(replace(SOURCE, is_signed=True), Parts(), "v1")
MORE = Item.of_tag(SOURCE, Parts(all_platforms=True), "v1")


@pytest.mark.parametrize(
    ("item", "seen", "held", "max_age", "step"),
    [
        (EDGE, None, None, HOUR, Step.FETCH),
        (EDGE, None, ONE, HOUR, Step.CHECK),
        (EDGE, SEEN, ONE, HOUR, Step.CHECK),
        (EDGE, SEEN, ONE, 2 * HOUR, Step.FRESH),
        (EDGE, SEEN._replace(failures=1), ONE, 2 * HOUR, Step.CHECK),
        (EDGE, SEEN, TWO, 2 * HOUR, Step.CHECK),
        (EDGE, SEEN, None, 2 * HOUR, Step.FETCH),
        (V1, SEEN, ONE, 0 * HOUR, Step.IMMUTABLE),
        (V1, SEEN._replace(failures=1), ONE, 0 * HOUR, Step.IMMUTABLE),
        # The tag is here, but nobody knows that it is that of the registry.
        (V1, None, ONE, HOUR, Step.CHECK),
        (V1, SEEN, TWO, HOUR, Step.CHECK),
        # The file asks for more platforms than before.
        (MORE, SEEN, ONE, HOUR, Step.CHECK),
        # A signature is looked for before anything is fetched.
        (SIGNED, None, None, HOUR, Step.CHECK),
        (Item.of_digest(SOURCE, Parts(), ONE), None, None, HOUR, Step.FETCH),
    ],
)
def test_an_image_needs(
    item: Item, seen: SyncedTag | None, held: Digest | None, max_age: timedelta, step: Step
) -> None:
    assert decide(item, seen, held, now=NOW, max_age=max_age) is step


def test_an_image_may_get_another_name() -> None:
    (source,) = read("sources: [{image: app:1, to: other/app:2}]").sources
    item = Item.of_tag(source, Parts(), "1")
    assert (str(item.origin), str(item.target)) == (
        "docker.io/library/app:1",
        "docker.io/other/app:2",
    )
    assert item.key == ("docker.io/other/app", "2")
