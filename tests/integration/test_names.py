"""Name resolution of save (docs/formats/docker-archive.md §5), and the verbs around names."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from store import ImageFilter, ImageID, Store, errors
from tests.support.images import A, B, E, config, image

if TYPE_CHECKING:
    from collections.abc import Callable


def put(
    store: Store,
    *layers: bytes,
    tags: tuple[str, ...] = (),
    labels: dict[str, str] | None = None,
    **members: object,
) -> ImageID:
    extra = {"config": {"Labels": labels}} if labels else {}
    store.import_archive(io.BytesIO(image(*layers, tags=tags, **extra, **members).bytes()))
    return ImageID.of(config(*layers, **extra, **members))


def manifest_of(archive: bytes) -> list[dict[str, object]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        return json.load(member)  # type: ignore[no-any-return]


def test_a_name_without_a_tag_means_all_its_tags_in_order(
    store: Store, save: Callable[..., bytes]
) -> None:
    put(store, A, tags=("x:2", "x:1"))
    put(store, B, tags=("x:0",))
    assert [one["RepoTags"] for one in manifest_of(save("x"))] == [["x:0"], ["x:1", "x:2"]]


def test_an_id_adds_no_tag_and_removes_none(store: Store, save: Callable[..., bytes]) -> None:
    found = put(store, A, tags=("x:1", "x:3"))
    assert [one["RepoTags"] for one in manifest_of(save(found.digest.hex, "x:3"))] == [["x:3"]]
    untagged = save(found.digest.hex[:9])
    assert manifest_of(untagged)[0]["RepoTags"] is None
    assert b"repositories" not in untagged


def test_a_digest_reference_selects_without_a_tag(store: Store, save: Callable[..., bytes]) -> None:
    put(store, A, tags=("x:1",))
    digest = store.inspect("x:1").manifests[0].digest
    assert manifest_of(save(f"x@{digest}"))[0]["RepoTags"] is None
    assert manifest_of(save(f"x:nonsense@{digest}"))[0]["RepoTags"] is None
    assert store.inspect(f"x@{digest}").image_id == ImageID.of(config(A))
    with pytest.raises(errors.ReferenceNotFound):
        save(f"y@{digest}")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("nothing", errors.ImageNotFound),
        ("x:nothing", errors.ReferenceNotFound),
        ("0" * 64, errors.ImageNotFound),
        ("sha256:" + "0" * 64, errors.ImageNotFound),
        ("sha256:abc", errors.ImageNotFound),
        ("Upper", errors.InvalidReference),
        ("a//b", errors.InvalidReference),
        ("", errors.InvalidReference),
    ],
)
def test_unknown_and_malformed_names_save_nothing(
    store: Store, save: Callable[..., bytes], name: str, error: type[Exception]
) -> None:
    put(store, A, tags=("x:1",))
    with pytest.raises(error):
        save("x:1", name)
    assert [event.action for event in store.events()] == ["import"]


def test_tag_and_untag(store: Store) -> None:
    found = put(store, A, tags=("x:1",))
    assert store.tag("x:1", "y").reference.familiar == "y:latest"
    assert store.tag(found.digest.short, "z:1").image_id == found
    assert store.untag("x:1")[0].name == "x:1"
    store.untag("y")
    store.untag("z:1")
    assert [one.dangling for one in store.images()] == [True]
    store.collect()
    assert store.inspect(found.digest.hex).references == ()
    with pytest.raises(errors.ReferenceNotFound):
        store.untag("x:1")
    for bad in ("sha256:1", f"x@sha256:{'0' * 64}"):
        with pytest.raises(errors.InvalidReference):
            store.tag(found.digest.hex, bad)


def test_removing_one_of_several_tags_keeps_the_image(store: Store) -> None:
    found = put(store, A, tags=("x:1", "y:1"))
    assert [(one.kind, one.name) for one in store.remove("x:1")] == [("untagged", "x:1")]
    with pytest.raises(errors.ImageNotFound):
        store.inspect("x:1")
    assert store.inspect("y:1").image_id == found
    assert [one.kind for one in store.remove("y:1")] == ["untagged", "deleted"]
    assert not store.images()
    report = store.collect()
    assert report.layers == 1
    assert len(report.blobs) == 1
    assert not list(store.blobs.digests())


def test_removing_by_id_needs_force_when_several_repositories_name_it(store: Store) -> None:
    found = put(store, A, tags=("x:1", "y:1"))
    with pytest.raises(errors.ImageInUse):
        store.remove(found.digest.hex)
    assert {one.kind for one in store.remove(found.digest.hex, force=True)} == {
        "untagged",
        "deleted",
    }


def test_filters(store: Store) -> None:
    first = put(
        store,
        A,
        tags=("team/a:1",),
        labels={"stage": "prod", "x": "1"},
        created="2020-01-01T00:00:00Z",
    )
    second = put(
        store, B, tags=("b:1", "b:2"), labels={"stage": "test"}, created="2021-01-01T00:00:00Z"
    )
    third = put(store, E, created="2022-01-01T00:00:00Z")

    def ids(filters: ImageFilter) -> list[ImageID]:
        return [one.image_id for one in store.images(filters)]

    assert ids(ImageFilter()) == [third, second, first]
    assert ids(ImageFilter(references=("team/*",))) == [first]
    assert ids(ImageFilter(references=("b:2",))) == [second]
    assert ids(ImageFilter(labels=("stage",))) == [second, first]
    assert ids(ImageFilter(labels=("stage=prod", "x=1"))) == [first]
    assert ids(ImageFilter(labels=("nothing",))) == []
    assert ids(ImageFilter(dangling=True)) == [third]
    assert ids(ImageFilter(dangling=False)) == [second, first]
    assert ids(ImageFilter(before="b:1")) == [first]
    assert ids(ImageFilter(since="b:1")) == [third]
    assert store.collect(dangling=True).images == (third,)
    assert ids(ImageFilter()) == [second, first]


def test_usage_counts_shared_layers_once(store: Store) -> None:
    put(store, A, B, tags=("x:1",))
    put(store, A, E, tags=("y:1",))
    put(store, A, B, E)
    usage = store.usage()
    assert [(row.kind, row.count, row.active) for row in usage.rows] == [
        ("Images", 3, 2),
        ("Layers", 3, 3),
        ("Blobs", 3, 3),
    ]
    assert usage.on_disk_bytes > usage.database_bytes > 0
    assert all(one.unique_bytes == 0 for one in usage.images)
