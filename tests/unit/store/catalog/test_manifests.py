"""Rows of manifests and indexes: the content that a manifest lists, and its referrers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import manifests, naming
from store.model.contents import ContentState, DiffState
from store.model.references import Repository
from tests.support.catalog_rows import AMD64, LAYER_BYTES, NOW, named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_a_manifest_is_inserted_once_with_its_links(rows: Rows) -> None:
    key = rows.manifest("m", blobs=("a", "b"))
    assert rows.manifest("m", blobs=("c",)) == key
    assert manifests.key_of(rows.connection, named("m")) == key
    assert [found[0] for found in manifests.children_of(rows.connection, key)] == [
        named("a"),
        named("b"),
    ]


def test_content_that_is_not_a_manifest_has_no_manifest_row(rows: Rows) -> None:
    rows.blob("blob")
    rows.manifest("m")
    wanted = [named("blob"), named("m")]
    assert manifests.key_of(rows.connection, named("blob")) is None
    assert set(manifests.media_types(rows.connection, wanted)) == {named("m")}


def test_links_of_an_index_carry_their_platform_and_state(rows: Rows) -> None:
    rows.content("gone", None, ContentState.ABSENT)
    index = rows.index("index", ("gone", AMD64))
    assert manifests.is_index(rows.connection, index)
    (found,) = manifests.children_of(rows.connection, index)
    assert found == (named("gone"), "child", "manifest", 0, "absent", AMD64)


def test_referrers_of_referrers_are_found(rows: Rows) -> None:
    subject = rows.manifest("subject")
    signature = rows.manifest("signature", subject=subject)
    rows.manifest("countersignature", subject=signature)
    rows.manifest("other")
    assert set(manifests.referrers(rows.connection, [named("subject")])) == {
        named("signature"),
        named("countersignature"),
    }


def test_size_counts_present_content_once(rows: Rows) -> None:
    rows.content("gone", None, ContentState.ABSENT)
    rows.manifest("one", blobs=("shared", "gone"))
    rows.manifest("two", blobs=("shared", "own"))
    index = rows.index("index", ("one", None), ("two", None))
    assert manifests.size_below(rows.connection, index) == 3 * 10 + 2 * LAYER_BYTES


def test_images_of_manifests_leave_artifacts_out(rows: Rows) -> None:
    app = rows.image("app")
    keys = [rows.manifest("one", app), rows.manifest("two", app), rows.manifest("artifact")]
    assert manifests.images_of(rows.connection, keys) == [app]


def test_manifests_of_an_image_say_whether_they_have_a_name(rows: Rows) -> None:
    app = rows.image("app")
    rows.tag("demo:1", rows.manifest("tagged", app))
    naming.keep(rows.connection, rows.manifest("kept", app, verified=True), now=NOW)
    rows.manifest("loose", app)
    assert set(manifests.roots_of(rows.connection, app)) == {
        (named("tagged"), True, DiffState.UNVERIFIED),
        (named("kept"), True, DiffState.VERIFIED),
        (named("loose"), False, DiffState.UNVERIFIED),
    }


def test_a_known_manifest_only_learns_its_image_and_that_it_is_verified(rows: Rows) -> None:
    app, other = rows.image("app"), rows.image("other")
    rows.manifest("m")
    for image, verified, state in (
        (app, False, DiffState.UNVERIFIED),
        (other, True, DiffState.VERIFIED),
        (app, False, DiffState.VERIFIED),
    ):
        rows.manifest("m", image, verified=verified)
        assert manifests.roots_of(rows.connection, app) == [(named("m"), False, state)]
    assert manifests.roots_of(rows.connection, other) == []


def test_pages_of_manifests_without_an_image_are_in_order(rows: Rows) -> None:
    rows.tag("demo:1", rows.manifest("described", rows.image("app")))
    for number in range(3):
        rows.tag(f"sbom:{number}", rows.manifest(f"artifact{number}"))
    rows.manifest("loose")
    every = manifests.without_image(rows.connection)
    assert [one.digest for one in every] == sorted(
        (named(f"artifact{number}") for number in range(3)), key=str
    )
    (second,) = manifests.without_image(rows.connection, after=every[0].digest, limit=1)
    assert second == every[1]


def test_a_manifest_is_described_with_its_subject(rows: Rows) -> None:
    key = rows.manifest("m", subject=rows.manifest("s"), artifact_type="a/b", blobs=("x",))
    found = manifests.describe(rows.connection, key)
    assert (found.subject, found.artifact_type, found.kind) == (named("s"), "a/b", "manifest")
    assert found.size_bytes == 10 + LAYER_BYTES


def test_repositories_that_hold_any_of_the_digests_are_sorted(rows: Rows) -> None:
    rows.tag("team/b:1", rows.manifest("one"))
    rows.tag("team/a:1", rows.manifest("two"))
    rows.tag("team/c:1", rows.manifest("three"))
    assert manifests.repositories_of(rows.connection, [named("one"), named("two")]) == [
        Repository("docker.io", "team/a"),
        Repository("docker.io", "team/b"),
    ]


def test_images_inside_nested_named_indexes_are_parts(rows: Rows) -> None:
    inside, outside = rows.image("inside"), rows.image("outside")
    rows.manifest("im", inside)
    rows.manifest("om", outside)
    rows.index("inner", ("im", AMD64))
    rows.index("unnamed", ("om", AMD64))
    rows.tag("demo:1", rows.index("outer", ("inner", None)))
    assert manifests.parts_of_named_indexes(rows.connection, [inside, outside]) == {inside}


def test_only_manifests_that_an_index_lists_are_below_it(rows: Rows) -> None:
    image = rows.manifest("image", blobs=("a",))
    inner = rows.index("inner", ("image", AMD64))
    top = rows.index("top", ("inner", None), ("image", None))
    rows.tag("app:1", top)
    app, other = Repository.parse("app"), Repository.parse("other")
    assert manifests.listed_by(rows.connection, app, [top]) == {inner, image}
    assert manifests.listed_by(rows.connection, app, [inner, image]) == {image}
    rows.tag("other:1", inner, served=True)
    assert manifests.listed_by(rows.connection, other, [top]) == set()
