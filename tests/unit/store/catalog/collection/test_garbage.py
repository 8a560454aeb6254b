"""The deletion of rows to which no other row refers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store.catalog import content, naming, serving
from store.catalog.collection import condemned, garbage
from store.catalog.collection.grace import FRESH_S, Grace
from store.catalog.in_progress import leases
from store.model.digests import ImageID
from store.model.references import Repository
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from store.db.types import ContentKey
    from tests.support.catalog_rows import Rows

APP = Repository("docker.io", "team/app")


def lease(rows: Rows, key: ContentKey) -> None:
    leases.add_operation(rows.connection, "one", "save", NOW, 1)
    leases.add_leases(rows.connection, "one", [key])


def hold(rows: Rows, key: ContentKey) -> None:
    repository = serving.ensure_repositories(rows.connection, (APP,))[APP]
    serving.hold(rows.connection, repository, key, fresh_at=NOW)


@pytest.mark.parametrize("reason", ["tag", "kept", "lease", "repository", "index", "referrer"])
def test_a_manifest_that_something_refers_to_is_not_deleted(rows: Rows, reason: str) -> None:
    free, key = rows.manifest("free"), rows.manifest("m")
    if reason == "tag":
        rows.tag("demo:1", key)
    elif reason == "kept":
        naming.keep(rows.connection, key, now=NOW)
    elif reason == "lease":
        lease(rows, key)
    elif reason == "repository":
        hold(rows, key)
    elif reason == "index":
        rows.index("index", ("m", None))
    else:
        rows.manifest("referrer", subject=key)
    assert garbage.delete_manifests(rows.connection, [free, key]) == 1
    assert garbage.delete_manifests(rows.connection, [key]) == 0


def test_an_image_goes_with_its_last_manifest(rows: Rows) -> None:
    base, app = rows.image("base"), rows.image("app")
    manifest = rows.manifest("m", app)
    assert garbage.dead_images(rows.connection) == [base]
    assert garbage.delete_images(rows.connection, [base, app]) == (ImageID(named("base")),)
    garbage.delete_manifests(rows.connection, [manifest])
    assert garbage.dead_images(rows.connection) == [app]
    lease(rows, app)
    assert garbage.delete_images(rows.connection, [app]) == ()


def test_dead_layers_are_deleted_from_the_top_down(rows: Rows) -> None:
    rows.image("kept", "base")
    dead = rows.image("dead", "base", "middle", "top")
    garbage.delete_images(rows.connection, [dead])
    found = garbage.dead_layers(rows.connection)
    assert len(found) == 2
    assert garbage.delete_layers(rows.connection, list(reversed(found))[:1]) == 0
    assert garbage.delete_layers(rows.connection, found[:1]) == 1
    assert garbage.delete_layers(rows.connection, found[1:]) == 1
    assert garbage.dead_layers(rows.connection) == []


def test_deleted_content_is_condemned_with_its_size(rows: Rows) -> None:
    keys = [rows.blob("file", 7), rows.content("inline"), rows.blob("used")]
    rows.encoding(rows.content("diff"), keys[2])
    keys.append(rows.content("diff"))
    rows.image("app", "diff")
    count, files = garbage.delete_contents(rows.connection, keys, Grace(NOW), now=NOW)
    assert (count, files) == (2, ((named("file"), 7),))
    assert condemned.next_condemned(rows.connection, 9) == [named("file")]
    assert set(content.find(rows.connection, [named("file"), named("used")])) == {named("used")}


@pytest.mark.parametrize(("age_s", "stays"), [(-1, True), (0, True), (1, False)])
def test_a_blob_of_a_repository_stays_for_its_grace_period(
    rows: Rows, age_s: int, *, stays: bool
) -> None:
    key = rows.blob("blob")
    hold(rows, key)
    grace = Grace(NOW + timedelta(seconds=FRESH_S + age_s))
    assert garbage.dead_contents(rows.connection, grace) == ([] if stays else [key])
    count, _ = garbage.delete_contents(rows.connection, [key], grace, now=NOW)
    assert count == (0 if stays else 1)
