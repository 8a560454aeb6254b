"""The tags, the report lines and the kept manifests after an archive is published."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from store import Choice, ImportOptions, Platform, errors
from store.db.schema import content, kept, repository_content
from store.model.digests import Digest
from store.model.references import Reference, Repository
from store.registry.registry import Registry
from tests.support.images import A, Archive, B, config, image
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store
    from store.importing.report import ImportReport


def publish(store: Store, archive: Archive | Layout, *, clobber: bool = True) -> ImportReport:
    data = archive.tar() if isinstance(archive, Layout) else archive.bytes()
    return store.import_archive(io.BytesIO(data), ImportOptions(clobber=clobber))


def kept_manifests(store: Store) -> set[Digest]:
    query = select(content.c.digest).join(kept, kept.c.manifest_id == content.c.id)
    with store.read() as connection:
        return set(connection.execute(query).scalars())


def two_images(first: tuple[str, ...], second: tuple[str, ...]) -> Archive:
    archive = Archive().file("a", A).file("b", B)
    archive.file("a.json", config(A)).file("b.json", config(B))
    return archive.manifest(
        {"Config": "a.json", "RepoTags": list(first) or None, "Layers": ["a"]},
        {"Config": "b.json", "RepoTags": list(second) or None, "Layers": ["b"]},
    )


def test_the_lines_tell_of_every_step_and_the_rows_hold_the_last(store: Store) -> None:
    report = publish(store, two_images(("demo:1",), ("demo:1",)))
    first, second = report.images
    assert report.lines == (
        "Loaded image: demo:1",
        f"The image demo:1 already exists, renaming the old one with ID {first} to empty string",
        "Loaded image: demo:1",
    )
    assert {image_.image_id for image_ in store.images() if image_.references} == {second}
    assert not publish(store, two_images(("demo:1",), ("demo:1",))).changed


def test_ids_are_listed_if_the_last_image_has_no_tag(store: Store) -> None:
    report = publish(store, two_images(("demo:1",), ()))
    assert report.lines[1:] == tuple(f"Loaded image ID: {one}" for one in report.images)
    assert publish(store, two_images((), ("demo:2",))).lines == ("Loaded image: demo:2",)


def test_a_tag_stays_where_it_is_without_clobber(store: Store) -> None:
    before = publish(store, image(A))
    with pytest.raises(errors.NameTaken) as caught:
        publish(store, image(B), clobber=False)
    assert caught.value.names == ("demo:1",)
    assert [one.image_id for one in store.images()] == [before.images[0]]
    assert not publish(store, image(A), clobber=False).changed


def test_a_name_that_cannot_be_a_tag_is_reported_and_not_set(store: Store) -> None:
    report = publish(store, image(A, tags=("sha256:1",)))
    assert report.lines == ("Loaded image: sha256:1",)
    assert len(report.notes) == 1
    assert report.tags == ()
    assert not any(one.references for one in store.images())


def test_roots_without_a_name_are_kept_unless_they_depend_on_another(store: Store) -> None:
    layout = Layout()
    app = layout.root(layout.image(A))
    index = layout.root(layout.index(app))
    layout.root(layout.artifact(b"signature", subject=app))
    loose = layout.root(layout.artifact(b"sbom"))
    report = publish(store, layout)
    assert {str(digest) for digest in kept_manifests(store)} == {index["digest"], loose["digest"]}
    assert f"Loaded manifest: {loose['digest']}" in report.lines


def test_an_image_without_a_tag_keeps_its_manifest_until_it_has_one(store: Store) -> None:
    publish(store, image(A, tags=()))
    (manifest,) = kept_manifests(store)
    publish(store, image(A))
    assert kept_manifests(store) == set()
    (found,) = store.images()
    assert found.manifests == (manifest,)
    assert [tag.reference for tag in found.references] == [Reference.parse("demo:1")]


def test_parts_of_an_index_that_arrive_later_are_served_although_no_tag_moves(
    store: Store,
) -> None:
    layout = Layout()
    index = layout.index(
        layout.image(A, platform="linux/amd64"), layout.image(B, platform="linux/arm64")
    )
    layout.root(index, "docker.io/team/app:1")
    arm64 = Choice(platforms=(Platform.parse("linux/arm64"),))
    data = layout.tar()
    store.import_archive(io.BytesIO(data), ImportOptions(choice=arm64))
    served = select(func.count()).select_from(repository_content)
    with store.read() as connection:
        before = connection.execute(served).scalar_one()
    store.import_archive(io.BytesIO(data))
    with store.read() as connection:
        assert connection.execute(served).scalar_one() == before + 2
    store.import_archive(io.BytesIO(data))
    with store.read() as connection:
        assert connection.execute(served).scalar_one() == before + 2


@pytest.mark.parametrize("name", ["docker.io/team/app:1", "docker.io/team/app@{digest}"])
def test_a_repository_serves_what_a_later_archive_adds_to_its_index(
    store: Store, name: str
) -> None:
    def archive(*stored: str) -> tuple[Layout, list[str]]:
        """Return an archive with an index, and with images for some of its platforms."""
        layout, images = Layout(), Layout()
        data = {"linux/amd64": A, "linux/arm64": B}
        found = [images.image(gzip(data[one]), platform=one) for one in data]
        for platform in stored:
            layout.image(gzip(data[platform]), platform=platform)
        index = layout.index(*found)
        layout.root(index, name.format(digest=index["digest"]))
        return layout, [one for one in images.blobs if one in layout.blobs]

    registry, repository = Registry(store), Repository("docker.io", "team/app")

    def served(digest: str) -> bool:
        try:
            registry.open_blob(repository, Digest.parse(digest)).close()
        except errors.NotFound:
            return False
        return True

    for stored in (("linux/amd64",), ("linux/arm64",)):
        layout, digests = archive(*stored)
        assert publish(store, layout).changed
        assert not publish(store, layout).changed
        assert digests
        assert all(map(served, digests))
