"""The record of the content that each repository may serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.event import listen

from store.catalog import naming, repositories, serving
from store.catalog.batches import PAIRS
from store.catalog.checking import marks
from store.catalog.documents import put_documents
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.references import Repository
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from store.db.types import ContentKey, RepositoryKey
    from tests.support.catalog_rows import Rows

APP, OTHER = Repository("docker.io", "team/app"), Repository("docker.io", "team/other")


def hold(rows: Rows, name: Repository, key: ContentKey) -> RepositoryKey:
    repository = serving.ensure_repositories(rows.connection, (name,))[name]
    serving.hold(rows.connection, repository, key)
    return repository


def test_damaged_content_is_not_held(rows: Rows) -> None:
    hold(rows, APP, rows.blob("sound"))
    hold(rows, APP, rows.blob("damaged"))
    marks.mark_damaged(rows.connection, named("damaged"))
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
    put_documents(rows.connection, {digest: data})
    key = rows.manifest("manifest")
    rows.tag("team/app:1", key)
    for found in (
        repositories.by_tag(rows.connection, APP, "1"),
        repositories.by_digest(rows.connection, APP, digest),
        repositories.manifest_of(rows.connection, digest),
    ):
        assert found is not None
        assert (found.key, found.data) == (key, data)
    marks.mark_damaged(rows.connection, digest)
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


def test_a_pushed_manifest_gives_no_access_to_content_without_a_name(rows: Rows) -> None:
    manifest = rows.manifest("m", blobs=("secret",))
    naming.keep(rows.connection, manifest, now=NOW)
    assert repositories.unheld(rows.connection, [named("m"), named("secret")]) == {
        named("m"),
        named("secret"),
    }
    hold(rows, APP, manifest)
    assert repositories.unheld(rows.connection, [named("m"), named("secret")]) == set()


def test_content_of_a_repository_is_not_content_without_a_name(rows: Rows) -> None:
    manifest = rows.manifest("m", blobs=("layer",))
    naming.keep(rows.connection, manifest, now=NOW)
    hold(rows, APP, rows.content("layer"))
    assert repositories.kept_without_name(rows.connection, named("m"))
    assert not repositories.kept_without_name(rows.connection, named("layer"))


def test_content_below_a_pushed_index_is_not_content_without_a_name(rows: Rows) -> None:
    inner = rows.manifest("inner", blobs=("layer",))
    naming.keep(rows.connection, rows.index("outer", ("inner", None)), now=NOW)
    assert repositories.kept_without_name(rows.connection, named("layer"))
    hold(rows, APP, inner)
    assert not repositories.kept_without_name(rows.connection, named("layer"))


def test_several_repositories_are_asked_at_once(rows: Rows) -> None:
    one, two = rows.content("one"), rows.content("two", None, ContentState.ABSENT)
    rows.content("three")
    hold(rows, APP, one)
    hold(rows, OTHER, two)
    wanted = [named(name) for name in ("one", "two", "three", "unknown")]
    pairs = {(name, digest) for name in (APP, OTHER) for digest in wanted}
    assert repositories.served(rows.connection, pairs) == {
        (APP, wanted[0]): None,
        (OTHER, wanted[1]): None,
    }
    assert repositories.served(rows.connection, {(APP, wanted[1])}) == {}
    assert repositories.served(rows.connection, set()) == {}
    assert len(repositories.holder_keys(rows.connection, one)) == 1


def test_each_repository_has_a_media_type_of_its_own(rows: Rows) -> None:
    manifest = rows.manifest("m")
    keys = [hold(rows, APP, manifest), hold(rows, OTHER, manifest)]
    common = repositories.by_digest(rows.connection, APP, named("m"))
    assert common is not None
    serving.set_media_type(rows.connection, keys[:1], manifest, "b/b")
    found = [repositories.by_digest(rows.connection, one, named("m")) for one in (APP, OTHER)]
    assert [one and one.media_type for one in found] == ["b/b", common.media_type]
    pairs = {(name, named("m")) for name in (APP, OTHER)}
    assert repositories.served(rows.connection, pairs) == {
        (APP, named("m")): "b/b",
        (OTHER, named("m")): common.media_type,
    }


def test_pairs_are_asked_in_few_statements_however_they_are_spread(rows: Rows) -> None:
    names = [Repository.parse(f"team/app{number}") for number in range(PAIRS + 50)]
    shared = rows.content("shared")
    pairs = {(name, named("shared")) for name in names}
    for name in names:
        hold(rows, name, shared)
    many = [f"layer {number}" for number in range(PAIRS + 50)]
    for text in many[:PAIRS]:
        hold(rows, APP, rows.content(text))
    pairs |= {(APP, named(text)) for text in many}
    sent: list[str] = []
    listen(rows.connection.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    found = repositories.served(rows.connection, pairs)
    assert found.keys() == pairs - {(APP, named(text)) for text in many[PAIRS:]}
    assert len(sent) == 3
