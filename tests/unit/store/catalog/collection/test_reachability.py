"""The manifests that can be reached from a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import images, naming, serving
from store.catalog.collection import reachability
from store.catalog.in_progress import leases
from store.model.references import Repository
from tests.support.catalog_rows import AMD64, NOW

if TYPE_CHECKING:
    from store.db.types import ContentKey
    from tests.support.catalog_rows import Rows

APP = Repository("docker.io", "team/app")


def hold(rows: Rows, *keys: ContentKey) -> None:
    repository = serving.ensure_repositories(rows.connection, (APP,))[APP]
    for key in keys:
        serving.hold(rows.connection, repository, key)


def test_names_reach_through_indexes_and_to_referrers(rows: Rows) -> None:
    child = rows.manifest("child")
    rows.manifest("signature", subject=child)
    rows.tag("demo:1", rows.index("index", ("child", AMD64)), served=True)
    dead = rows.manifest("dead")
    referrer = rows.manifest("about the dead", subject=dead)
    assert set(reachability.dead_manifests(rows.connection)) == {dead, referrer}


def test_kept_leased_and_served_manifests_are_roots(rows: Rows) -> None:
    keys = [rows.manifest(name) for name in ("kept", "leased", "served", "dead")]
    naming.keep(rows.connection, keys[0], now=NOW)
    leases.add_operation(rows.connection, "one", "save", NOW, 1)
    leases.add_leases(rows.connection, "one", [keys[1]])
    hold(rows, keys[2])
    assert reachability.dead_manifests(rows.connection) == [keys[3]]


def test_served_manifests_without_a_name_are_unreached(rows: Rows) -> None:
    tagged, child, loose = (rows.manifest(name) for name in ("tagged", "child", "loose"))
    index = rows.index("index", ("child", AMD64))
    naming.keep(rows.connection, index, now=NOW)
    rows.tag("demo:1", tagged)
    hold(rows, tagged, child, index, loose)
    assert reachability.unreached_in_repositories(rows.connection) == [loose]


def test_what_an_untagged_index_listed_is_unreached_unless_another_lists_it(rows: Rows) -> None:
    own, shared = rows.manifest("own"), rows.manifest("shared")
    signature = rows.manifest("signature", subject=own)
    index = rows.index("index", ("own", AMD64), ("shared", AMD64))
    rows.tag("team/app:1", rows.index("other", ("shared", AMD64)))
    hold(rows, own, shared, signature, index)
    assert reachability.unreached_below(rows.connection, index) == sorted([own, signature, index])
    rows.tag("team/app:2", signature)
    assert reachability.unreached_below(rows.connection, index) == sorted([own, index])


def test_manifests_that_no_repository_serves_are_not_reported(rows: Rows) -> None:
    rows.manifest("own")
    index = rows.index("index", ("own", AMD64))
    hold(rows, index)
    assert reachability.unreached_below(rows.connection, index) == [index]


def test_a_kept_image_that_a_tagged_one_was_built_on_is_not_dangling(rows: Rows) -> None:
    base, app, loose = rows.image("base"), rows.image("app"), rows.image("loose")
    images.set_parent(rows.connection, app, base)
    kept = [rows.manifest(f"{name}m", key) for name, key in (("base", base), ("loose", loose))]
    kept.append(rows.manifest("artifact"))
    for key in kept:
        naming.keep(rows.connection, key, now=NOW)
    rows.manifest("appm", app)
    rows.tag("demo:1", rows.index("index", ("appm", AMD64)))
    assert reachability.dangling_manifests(rows.connection) == kept[1:]
