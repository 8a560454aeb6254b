"""Records that say whether the layers of an image match the image's diff IDs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import verification
from store.model.contents import ContentState, DiffState
from store.model.digests import ImageID
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_an_image_is_unverified_until_it_is_marked(rows: Rows) -> None:
    key = rows.image("app", verified=False)
    rows.content("blob")
    assert verification.mark_verified(rows.connection, [key])
    assert not verification.mark_verified(rows.connection, [key])
    wanted = [named("app"), named("blob")]
    assert verification.diff_states(rows.connection, wanted) == {named("app"): DiffState.VERIFIED}


def test_a_mismatch_is_remembered(rows: Rows) -> None:
    key = rows.image("app", verified=False)
    verification.set_diff_states(rows.connection, {key: DiffState.MISMATCH})
    assert verification.diff_state(rows.connection, key) == "mismatch"


def test_an_image_waits_while_one_of_its_manifests_does(rows: Rows) -> None:
    app = rows.image("app")
    one, two = rows.manifest("one", app), rows.manifest("two", app)
    rows.tag("a:1", two)
    rows.manifest("artifact")
    for states in ({}, {one: DiffState.VERIFIED}):
        verification.set_manifest_states(rows.connection, states)
        found = verification.unverified_images(rows.connection, limit=9)
        assert found == [(named("app"), "docker.io/library/a")]
        assert verification.has_unverified(rows.connection, app)
    verification.set_manifest_states(rows.connection, {two: DiffState.MISMATCH})
    assert verification.unverified_images(rows.connection, limit=9) == []
    assert not verification.has_unverified(rows.connection, app)


def test_an_image_is_completed_by_its_last_absent_layer(rows: Rows) -> None:
    for name in "ab":
        rows.content(name, None, ContentState.ABSENT)
    key = rows.image("app", "a", "b", "c", verified=False)
    rows.image("other", "c", verified=True)
    a = rows.content("a")
    assert verification.completed_by(rows.connection, [a]) == []
    b = rows.content("b")
    assert verification.completed_by(rows.connection, [b]) == [key]
    assert verification.completed_by(rows.connection, [rows.content("z")]) == []


def test_layers_of_every_manifest_are_base_first_with_their_state(rows: Rows) -> None:
    app = rows.image("app")
    rows.content("gone", None, ContentState.ABSENT)
    one = rows.manifest("one", app, blobs=("z", "gone"))
    two = rows.manifest("two", app, blobs=("a",))
    rows.manifest("three", app, blobs=("a",), verified=True)
    assert verification.unverified_layers(rows.connection, app) == {
        one: [(named("z"), ContentState.PRESENT), (named("gone"), ContentState.ABSENT)],
        two: [(named("a"), ContentState.PRESENT)],
    }


def test_a_plain_layer_is_checked_if_a_verified_manifest_lists_it(rows: Rows) -> None:
    app = rows.image("app")
    rows.manifest("one", app, blobs=("plain", "packed"), verified=True)
    rows.manifest("two", app, blobs=("unverified",))
    rows.manifest("artifact", blobs=("other",))
    rows.encoding(rows.content("diff"), rows.known_or_new("packed"))
    wanted = [named(name) for name in ("plain", "packed", "unverified", "other", "unknown")]
    assert verification.checked_layers(rows.connection, wanted) == {named("plain")}
    assert verification.checked_layers(rows.connection, []) == set()


def test_each_manifest_of_an_image_has_its_own_state(rows: Rows) -> None:
    app = rows.image("app")
    one = rows.manifest("one", app, blobs=("z",))
    rows.manifest("two", app, blobs=("a",), verified=True)
    rows.manifest("artifact")
    image = ImageID(named("app"))
    verification.set_manifest_states(rows.connection, {one: DiffState.MISMATCH})
    verification.set_manifest_states(rows.connection, {})
    wanted = [named(name) for name in ("one", "two", "artifact", "unknown")]
    assert verification.manifest_states(rows.connection, wanted) == {
        named("one"): (image, DiffState.MISMATCH),
        named("two"): (image, DiffState.VERIFIED),
    }
