"""Rows of tags, and the content that each tag names."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store.catalog import naming, references
from store.model.digests import ImageID
from store.model.platforms import Platform, PlatformChoice
from store.model.references import Reference, Repository
from tests.support.catalog_rows import AMD64, ARM64, NOW, named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows

ARM_CHOICE = PlatformChoice((Platform.parse("linux/arm64"),))


def texts(found: tuple[references.TagTarget, ...]) -> list[str]:
    return [target.reference.familiar for target in found]


def test_a_tag_of_an_index_stands_for_the_default_platforms_image(rows: Rows) -> None:
    arm, amd = rows.image("arm"), rows.image("amd")
    rows.manifest("armm", arm)
    rows.manifest("amdm", amd)
    index = rows.index("index", ("armm", ARM64), ("amdm", AMD64))
    only_arm = rows.index("only", ("armm", ARM64))
    empty = rows.index("empty")
    both = references.get(rows.connection, rows.tag("demo:1", index))
    other = references.get(rows.connection, rows.tag("demo:2", only_arm))
    assert both is not None
    assert other is not None
    assert (both.image, both.image_id) == (amd, ImageID(named("amd")))
    assert (other.image, other.image_id) == (arm, ImageID(named("arm")))
    assert references.image_of(rows.connection, index) == amd
    assert references.image_of(rows.connection, index, ARM_CHOICE) == arm
    assert references.image_of(rows.connection, only_arm) == arm
    assert references.image_of(rows.connection, empty) is None


def test_the_images_of_an_index_are_those_that_it_and_its_indexes_list(rows: Rows) -> None:
    arm, amd, other = rows.image("arm"), rows.image("amd"), rows.image("other")
    rows.manifest("armm", arm)
    rows.manifest("amdm", amd)
    rows.manifest("otherm", other)
    rows.index("inner", ("armm", ARM64))
    outer = rows.index("outer", ("amdm", AMD64), ("inner", ARM64))
    assert references.images_of_indexes(rows.connection) == set()
    rows.tag("demo:1", outer)
    assert references.images_of_indexes(rows.connection) == {amd, arm}


def test_only_the_tags_that_were_asked_for_are_returned(rows: Rows) -> None:
    manifest = rows.manifest("m")
    for text in ("a:1", "a:2", "b:1", "b:2"):
        rows.tag(text, manifest)
    wanted = [Reference.parse(text) for text in ("a:1", "b:2", "c:1")]
    assert set(references.get_all(rows.connection, wanted)) == set(wanted[:2])


def test_tags_of_a_repository_are_in_byte_order(rows: Rows) -> None:
    manifest = rows.manifest("m")
    for text in ("a:b", "a:B", "a:1", "ab:1"):
        rows.tag(text, manifest)
    found = references.in_repository(rows.connection, Repository("docker.io", "library/a"))
    assert texts(found) == ["a:1", "a:B", "a:b"]


def test_tags_of_an_image_include_those_of_its_indexes(rows: Rows) -> None:
    app = rows.image("app")
    manifest = rows.manifest("m", app)
    rows.tag("b:1", manifest)
    rows.tag("a:1", rows.index("index", ("m", AMD64)))
    rows.tag("c:1", rows.manifest("other", rows.image("else")))
    assert texts(references.of_image(rows.connection, app)) == ["a:1", "b:1"]
    assert texts(references.of_manifest(rows.connection, manifest)) == ["b:1"]
    assert texts(tuple(references.of_images(rows.connection, [app])[app])) == ["a:1", "b:1"]


def test_a_tag_belongs_to_the_one_image_that_its_index_stands_for(rows: Rows) -> None:
    arm, amd = rows.image("arm"), rows.image("amd")
    rows.manifest("armm", arm)
    rows.manifest("amdm", amd)
    rows.tag("a:1", rows.index("index", ("armm", ARM64), ("amdm", AMD64)))
    assert texts(references.of_image(rows.connection, arm)) == ["a:1"]
    assert set(references.of_images(rows.connection, [arm, amd])) == {amd}
    assert set(references.of_images(rows.connection, [arm, amd], ARM_CHOICE)) == {arm}


def test_a_tag_of_a_nested_index_belongs_to_an_image_inside(rows: Rows) -> None:
    arm = rows.image("arm")
    rows.manifest("armm", arm)
    rows.index("inner", ("armm", ARM64))
    rows.tag("a:1", rows.index("outer", ("inner", None)))
    assert texts(references.of_image(rows.connection, arm)) == ["a:1"]
    assert texts(tuple(references.of_images(rows.connection, [arm])[arm])) == ["a:1"]


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        ("", {"app:1", "team/app:1", "example.org/app:1"}),
        ("app", {"app:1"}),
        ("team/", {"team/app:1"}),
        ("example.org/a", {"example.org/app:1"}),
        ("z", set()),
    ],
)
def test_a_prefix_is_of_the_name_as_users_write_it(
    rows: Rows, prefix: str, wanted: set[str]
) -> None:
    for text in ("app:1", "team/app:1", "example.org/app:1"):
        rows.tag(text, rows.manifest(text))
    assert set(texts(references.beginning_with(rows.connection, prefix))) == wanted


def test_a_repository_holds_the_manifests_it_serves_and_not_their_blobs(rows: Rows) -> None:
    manifest = rows.manifest("m", blobs=("layer",))
    name = rows.tag("a:1", manifest).repository
    assert references.holds(rows.connection, name, named("m")) == manifest
    assert references.holds(rows.connection, name, named("layer")) is None
    other = Repository("docker.io", "library/b")
    assert references.holds(rows.connection, other, named("m")) is None
    assert references.is_manifest(rows.connection, named("m"))
    assert not references.is_manifest(rows.connection, named("layer"))


def test_some_tags_of_a_repository(rows: Rows) -> None:
    for text in ("app:1", "app:2", "app:3", "other:1"):
        rows.tag(text, rows.manifest(text))
    name = Reference.parse("app:1").repository
    found = references.in_repository(rows.connection, name, limit=2)
    assert texts(found) == ["app:1", "app:2"]
    other = Reference.parse("other:1").repository
    (some,) = references.tagged(rows.connection, [name, other], ["3", "1", "9"])
    assert texts(some) == ["app:1", "app:3", "other:1"]


def test_the_last_time_an_image_was_tagged_is_the_newest(rows: Rows) -> None:
    app = rows.image("app")
    assert references.last_tagged(rows.connection, app) is None
    manifest = rows.manifest("m", app)
    rows.tag("a:1", manifest)
    later = NOW + timedelta(hours=1)
    naming.set_tags(
        rows.connection, {Reference.parse("a:2"): manifest}, now=later, operation="test"
    )
    assert references.last_tagged(rows.connection, app) == later
