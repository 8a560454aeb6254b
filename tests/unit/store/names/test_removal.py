"""Removal by the rules of docker rmi: every line stands for a change."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from store import ImageID, Store, errors
from store.model.digests import Digest
from store.model.references import Reference
from store.registry.registry import Registry
from tests.support.images import A, B, E
from tests.support.layouts import CONTAINERD_NAME, Layout
from tests.support.stored_images import put_image, set_parent

if TYPE_CHECKING:
    from store.names.tagging import RemovedName


def lines(removed: tuple[RemovedName, ...]) -> list[tuple[str, str]]:
    return [(line.kind, line.name) for line in removed]


def test_removing_one_of_several_tags_keeps_the_image(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1", "y:1"))
    assert lines(store.remove("x:1")) == [("untagged", "x:1")]
    with pytest.raises(errors.ImageNotFound):
        store.inspect("x:1")
    assert store.inspect("y:1").image_id == image_id


def test_removing_the_last_tag_deletes_the_image(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    assert lines(store.remove("x:1")) == [("untagged", "x:1"), ("deleted", str(image_id))]
    assert store.images() == ()


def test_removing_an_id_removes_all_tags_of_one_repository(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1", "x:2"))
    assert lines(store.remove(image_id.digest.hex)) == [
        ("untagged", "x:1"),
        ("untagged", "x:2"),
        ("deleted", str(image_id)),
    ]


def test_removing_an_id_with_tags_in_several_repositories_needs_force(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1", "y:1"))
    with pytest.raises(errors.ImageInUse):
        store.remove(image_id.digest.hex)
    assert lines(store.remove(image_id.digest.hex, force=True)) == [
        ("untagged", "x:1"),
        ("untagged", "y:1"),
        ("deleted", str(image_id)),
    ]


@pytest.fixture
def family(store: Store) -> tuple[ImageID, ImageID, ImageID]:
    """Import three images: a base, its child, and that child's child, which alone has a tag."""
    first = put_image(store, A)
    second = put_image(store, A, B)
    third = put_image(store, A, B, E, tags=("child:1",))
    set_parent(store, second, first)
    set_parent(store, third, second)
    return first, second, third


def test_unnamed_parents_are_removed_with_their_last_child(
    store: Store, family: tuple[ImageID, ImageID, ImageID]
) -> None:
    first, second, third = family
    assert [line.name for line in store.remove("child:1")] == [
        "child:1",
        str(third),
        str(second),
        str(first),
    ]


def test_parents_stay_if_asked(store: Store, family: tuple[ImageID, ImageID, ImageID]) -> None:
    first, second, third = family
    assert lines(store.remove("child:1", prune_parents=False))[-1] == ("deleted", str(third))
    assert {image.image_id for image in store.images()} >= {second}
    assert store.inspect(first.digest.hex)


def test_a_parent_with_a_tag_stays_and_so_do_its_parents(
    store: Store, family: tuple[ImageID, ImageID, ImageID]
) -> None:
    first, second, third = family
    store.tag(second.digest.hex, "parent:1")
    assert lines(store.remove("child:1"))[-1] == ("deleted", str(third))
    assert store.inspect("parent:1").image_id == second
    assert store.inspect(first.digest.hex).image_id == first


def test_a_parent_of_another_child_stays(
    store: Store, family: tuple[ImageID, ImageID, ImageID]
) -> None:
    first, second, _ = family
    set_parent(store, put_image(store, A, E, tags=("other:1",)), first)
    assert lines(store.remove("child:1"))[-1] == ("deleted", str(second))
    assert store.inspect(first.digest.hex).image_id == first


def test_an_image_that_others_are_built_on_loses_its_names_and_stays(
    store: Store, family: tuple[ImageID, ImageID, ImageID]
) -> None:
    _, second, _ = family
    store.tag(second.digest.hex, "parent:1")
    assert lines(store.remove("parent:1")) == [("untagged", "parent:1")]
    assert store.inspect(second.digest.hex).references == ()
    with pytest.raises(errors.ImageInUse):
        store.remove(second.digest.hex)


def test_every_removal_is_in_the_history(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1", "x:2"))
    store.remove("x:2")
    store.remove("x:1")
    assert [(event.action, event.target) for event in store.events()][-3:] == [
        ("untag", str(image_id)),
        ("untag", str(image_id)),
        ("delete", str(image_id)),
    ]


@pytest.mark.parametrize("used", ["x:1", "docker.io/library/x:1", "HEX"])
def test_a_deletion_is_recorded_with_the_name_that_was_used(used: str, store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    name = used.replace("HEX", image_id.digest.hex[:12])
    store.remove(name)
    (deleted,) = [event for event in store.events() if event.action == "delete"]
    assert deleted.target == str(image_id)
    assert deleted.attributes == {"name": name.removeprefix("docker.io/library/")}


# --- digest references ----------------------------------------------------------------------------


def import_images(store: Store, *names: str) -> str:
    """Import one image under these names; return the digest of its manifest."""
    layout = Layout()
    image = layout.image(A)
    for name in names:
        layout.root(image, **{CONTAINERD_NAME: name.replace("DIGEST", image["digest"])})
    store.import_archive(io.BytesIO(layout.tar()))
    return str(image["digest"])


def names_of(store: Store) -> list[str]:
    return sorted(
        name.familiar
        for image in store.images()
        for name in (*(one.reference for one in image.references), *image.digests)
    )


@pytest.mark.parametrize("tag", ["", ":1", ":nothing"])
def test_removing_a_digest_leaves_the_tags_of_other_repositories(store: Store, tag: str) -> None:
    digest = import_images(store, "app@DIGEST", "other:1", "other:2")
    assert lines(store.remove(f"app{tag}@{digest}")) == [("untagged", f"app{tag}@{digest}")]
    assert names_of(store) == ["other:1", "other:2"]
    with pytest.raises(errors.ImageNotFound):
        store.remove(f"app@{digest}")


def test_a_digest_that_tags_of_its_repository_need_stays(store: Store) -> None:
    digest = import_images(store, "app:1", "app:2")
    for name in (f"app@{digest}", f"app:1@{digest}"):
        with pytest.raises(errors.ImageInUse) as caught:
            store.remove(name, force=True)
        assert "app:1, app:2" in caught.value.message
    assert names_of(store) == ["app:1", "app:2"]


def test_removing_the_last_digest_deletes_the_image(store: Store) -> None:
    digest = import_images(store, "app@DIGEST", "other@DIGEST")
    image_id = store.inspect(f"app@{digest}").image_id
    assert lines(store.remove(f"app@{digest}")) == [("untagged", f"app@{digest}")]
    assert lines(store.remove(f"other@{digest}")) == [
        ("untagged", f"other@{digest}"),
        ("deleted", str(image_id)),
    ]
    assert store.images() == ()


def test_an_unknown_digest_is_not_found(store: Store) -> None:
    import_images(store, "app:1")
    with pytest.raises(errors.ImageNotFound):
        store.remove(f"app@sha256:{'0' * 64}")


def test_a_digest_in_another_repository_keeps_the_image(store: Store) -> None:
    digest = import_images(store, "app:1", "other@DIGEST")
    assert lines(store.remove("app:1")) == [("untagged", "app:1")]
    assert names_of(store) == [f"other@{digest}"]


def test_the_last_tag_of_a_repository_takes_its_digests_along(store: Store) -> None:
    """docker rmi prints both lines (checked with Docker 20.10)."""
    layout = Layout()
    one = layout.image(A)
    two = layout.image(A, annotations={"made": "again"})
    layout.root(one, "docker.io/library/app:1")
    layout.root(one, "docker.io/library/other:1")
    layout.root(two, **{CONTAINERD_NAME: f"docker.io/library/app@{two['digest']}"})
    store.import_archive(io.BytesIO(layout.tar()))
    assert lines(store.remove("app:1")) == [
        ("untagged", "app:1"),
        ("untagged", f"app@{two['digest']}"),
    ]
    assert names_of(store) == ["other:1"]


def test_an_id_takes_all_digests_along(store: Store) -> None:
    digest = import_images(store, "app@DIGEST", "other:1")
    image_id = store.inspect("other:1").image_id
    with pytest.raises(errors.ImageInUse):
        store.remove(str(image_id))
    assert lines(store.remove(str(image_id), force=True)) == [
        ("untagged", "other:1"),
        ("untagged", f"app@{digest}"),
        ("deleted", str(image_id)),
    ]


# --- indexes --------------------------------------------------------------------------------------


@pytest.fixture
def multi(store: Store) -> tuple[Layout, dict[str, Any], dict[str, Any]]:
    """Import an index app:1 with two images; return the layout, the index and the first image."""
    layout = Layout()
    image = layout.image(A)
    top = layout.index(image, layout.image(B, platform="linux/arm64"), layout.attestation(image))
    layout.root(top, "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return layout, top, image


def test_the_id_of_an_image_beside_others_in_an_index_is_refused_by_name(
    store: Store, multi: tuple[Layout, dict[str, Any], dict[str, Any]]
) -> None:
    _, _, image = multi
    image_id = store.inspect("app:1").image_id
    for name in (str(image_id), image_id.digest.short, image["digest"], f"app@{image['digest']}"):
        for force in (False, True):
            with pytest.raises(errors.ImageInUse) as caught:
                store.remove(name, force=force)
            assert "the index app:1" in caught.value.message
    assert names_of(store) == ["app:1"]
    assert [event.action for event in store.events()] == ["import"]


def test_the_id_of_the_only_image_of_an_index_removes_both(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    inner = layout.index(image, layout.absent(), layout.attestation(image))
    layout.root(layout.index(inner), "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    image_id = store.inspect("app:1").image_id
    removed = lines(store.remove(str(image_id)))
    assert removed[:2] == [("untagged", "app:1"), ("deleted", str(image_id))]
    assert store.manifests() == ()
    assert all(one.image_id != image_id for one in store.images())
    with pytest.raises(errors.ImageNotFound):
        store.remove(str(image_id))


def test_a_tag_of_an_image_in_an_index_is_removed_alone(
    store: Store, multi: tuple[Layout, dict[str, Any], dict[str, Any]]
) -> None:
    _, _, image = multi
    store.tag(image["digest"], "single:1")
    assert lines(store.remove("single:1")) == [("untagged", "single:1")]
    assert names_of(store) == ["app:1"]
    registry = Registry(store)
    repository = Reference.parse("app").repository
    assert registry.manifest(repository, Digest.parse(image["digest"])).digest


def test_removing_an_index_by_digest_leaves_nothing_in_its_repository(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    top = layout.index(image, layout.image(B, platform="linux/arm64"))
    layout.root(top, **{CONTAINERD_NAME: f"docker.io/library/app@{top['digest']}"})
    store.import_archive(io.BytesIO(layout.tar()))
    removed = lines(store.remove(f"app@{top['digest']}"))
    assert removed[:2] == [("untagged", f"app@{top['digest']}"), ("deleted", top["digest"])]
    assert len(removed) == 4
    assert store.images() == ()
    with pytest.raises(errors.NotFound):
        Registry(store).manifest(Reference.parse("app").repository, Digest.parse(image["digest"]))


def test_an_index_held_by_digest_elsewhere_stays(
    store: Store, multi: tuple[Layout, dict[str, Any], dict[str, Any]]
) -> None:
    _, top, _ = multi
    store.tag("app:1", "copy:1")
    store.untag("copy:1")
    assert lines(store.remove("app:1")) == [("untagged", "app:1")]
    assert names_of(store) == [f"copy@{top['digest']}"]
