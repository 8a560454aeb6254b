"""The record of the content that each repository may serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content, naming, repositories, serving
from store.model.digests import Digest
from store.model.references import Repository
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from store.db.types import ContentKey
    from tests.support.catalog_rows import Rows

APP, OTHER = Repository("docker.io", "team/app"), Repository("docker.io", "team/other")


def hold(rows: Rows, name: Repository, key: ContentKey) -> None:
    repository = serving.ensure_repositories(rows.connection, (name,))[name]
    serving.hold(rows.connection, repository, key)


def test_damaged_content_is_not_held(rows: Rows) -> None:
    hold(rows, APP, rows.blob("sound"))
    hold(rows, APP, rows.blob("damaged"))
    content.mark_damaged(rows.connection, named("damaged"))
    wanted = [named("sound"), named("damaged"), named("unknown")]
    assert set(repositories.held(rows.connection, APP, wanted)) == {named("sound")}
    assert repositories.holders(rows.connection, named("sound")) == (str(APP),)
    assert repositories.holders(rows.connection, named("damaged")) == ()
    assert repositories.held_blob(rows.connection, APP, named("damaged")) is None


def test_a_held_blob_says_whether_it_is_in_a_file(rows: Rows) -> None:
    hold(rows, APP, rows.blob("file", 7))
    hold(rows, APP, rows.content("decoded", 9))
    found = repositories.held_blob(rows.connection, APP, named("file"))
    assert found == repositories.HeldBlob(7, in_file=True)
    found = repositories.held_blob(rows.connection, APP, named("decoded"))
    assert found == repositories.HeldBlob(9, in_file=False)
    assert repositories.held_blob(rows.connection, OTHER, named("file")) is None


def test_the_bytes_of_a_damaged_manifest_are_left_out(rows: Rows) -> None:
    data = b"manifest"
    digest = Digest.of(data)
    content.put_documents(rows.connection, {digest: data})
    key = rows.manifest("manifest")
    rows.tag("team/app:1", key)
    for found in (
        repositories.by_tag(rows.connection, APP, "1"),
        repositories.by_digest(rows.connection, APP, digest),
        repositories.manifest_of(rows.connection, digest),
    ):
        assert found is not None
        assert (found.key, found.data) == (key, data)
    content.mark_damaged(rows.connection, digest)
    damaged = repositories.by_tag(rows.connection, APP, "1")
    assert damaged is not None
    assert damaged.data is None


def test_a_manifest_is_found_only_in_a_repository_that_serves_it(rows: Rows) -> None:
    rows.tag("team/app:1", rows.manifest("m"))
    assert repositories.by_tag(rows.connection, OTHER, "1") is None
    assert repositories.by_tag(rows.connection, APP, "2") is None
    assert repositories.by_digest(rows.connection, OTHER, named("m")) is None
    assert repositories.find(rows.connection, OTHER) is None


def test_holders_of_an_image_serve_its_manifest(rows: Rows) -> None:
    app = rows.image("app")
    rows.tag("team/app:1", rows.manifest("m", app))
    rows.tag("team/other:1", rows.manifest("n", app))
    assert repositories.image_holders(rows.connection, named("app")) == (str(APP), str(OTHER))
    assert repositories.image_holders(rows.connection, named("m")) == (str(APP),)
    assert repositories.holders_of_all(rows.connection, [named("m"), named("n")]) == {
        named("m"): [str(APP)],
        named("n"): [str(OTHER)],
    }


def test_a_kept_manifest_gives_access_to_everything_that_it_reaches(rows: Rows) -> None:
    manifest = rows.manifest("m", blobs=("layer",))
    assert not repositories.kept_without_name(rows.connection, named("layer"))
    naming.keep(rows.connection, manifest, now=NOW)
    assert repositories.kept_without_name(rows.connection, named("m"))
    assert repositories.kept_without_name(rows.connection, named("layer"))


def test_a_pushed_manifest_gives_no_access_to_content_its_repository_lacks(rows: Rows) -> None:
    manifest = rows.manifest("m", blobs=("secret",))
    naming.keep(rows.connection, manifest, now=NOW)
    hold(rows, APP, manifest)
    assert repositories.kept_without_name(rows.connection, named("m"))
    assert not repositories.kept_without_name(rows.connection, named("secret"))
    hold(rows, APP, rows.content("secret"))
    assert repositories.kept_without_name(rows.connection, named("secret"))
