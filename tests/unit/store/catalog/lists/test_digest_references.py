"""Digest references: what repositories hold by digest, without a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import serving
from store.catalog.lists import digest_references
from store.model.platforms import Platform, PlatformChoice
from store.model.references import Repository
from tests.support.catalog_rows import AMD64, ARM64, named

if TYPE_CHECKING:
    from store.catalog.lists.digest_references import DigestTarget
    from store.db.types import ContentKey
    from tests.support.catalog_rows import Rows

APP = Repository("docker.io", "library/app")
OTHER = Repository("docker.io", "team/other")


def hold(rows: Rows, name: Repository, key: ContentKey) -> None:
    repository = serving.ensure_repositories(rows.connection, [name])[name]
    serving.serve(rows.connection, [(repository, key)])


def texts(found: tuple[DigestTarget, ...] | list[DigestTarget]) -> list[str]:
    return [target.reference.familiar for target in found]


def test_a_held_manifest_without_a_tag_in_its_repository_is_a_reference(rows: Rows) -> None:
    app = rows.image("app")
    manifest = rows.manifest("m", app)
    rows.tag("app:1", manifest)
    assert digest_references.of_image(rows.connection, app) == ()
    hold(rows, OTHER, manifest)
    expected = [f"team/other@{named('m')}"]
    assert texts(digest_references.of_image(rows.connection, app)) == expected
    assert texts(digest_references.of_manifest(rows.connection, manifest)) == expected
    assert texts(digest_references.of_images(rows.connection, [app])[app]) == expected


def test_parts_of_a_held_index_and_referrers_are_no_references(rows: Rows) -> None:
    app = rows.image("app")
    manifest = rows.manifest("m", app)
    index = rows.index("index", ("m", AMD64))
    hold(rows, APP, index)
    hold(rows, APP, rows.manifest("signature", subject=manifest))
    expected = [f"app@{named('index')}"]
    assert texts(digest_references.of_image(rows.connection, app)) == expected
    assert texts(digest_references.beginning_with(rows.connection, "")) == expected


def test_an_index_is_a_reference_to_the_image_that_it_stands_for(rows: Rows) -> None:
    amd, arm = rows.image("amd"), rows.image("arm")
    rows.manifest("amdm", amd)
    rows.manifest("armm", arm)
    hold(rows, APP, rows.index("index", ("armm", ARM64), ("amdm", AMD64)))
    assert set(digest_references.of_images(rows.connection, [amd, arm])) == {amd}
    choice = PlatformChoice((Platform.parse("linux/arm64"),))
    assert set(digest_references.of_images(rows.connection, [amd, arm], choice)) == {arm}


def test_a_prefix_is_of_the_name_as_users_write_it(rows: Rows) -> None:
    manifest = rows.manifest("m", rows.image("app"))
    hold(rows, APP, manifest)
    hold(rows, OTHER, manifest)
    assert texts(digest_references.beginning_with(rows.connection, "app")) == [f"app@{named('m')}"]
    assert texts(digest_references.beginning_with(rows.connection, "team/")) == [
        f"team/other@{named('m')}"
    ]
    assert digest_references.beginning_with(rows.connection, "z") == ()
