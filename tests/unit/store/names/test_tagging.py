from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from tests.support.images import A, B, E
from tests.support.stored_images import put_image, set_parent

if TYPE_CHECKING:
    from store import ImageID


def lines(removed: object) -> list[tuple[str, str]]:
    assert isinstance(removed, tuple)
    return [(line.kind, line.name) for line in removed]


def test_a_new_tag_without_a_tag_part_is_latest(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    assert store.tag("x:1", "y").reference.familiar == "y:latest"


def test_a_tag_can_be_made_from_an_id(store: Store) -> None:
    image_id = put_image(store, A)
    assert store.tag(image_id.digest.short, "z:1").image_id == image_id


def test_a_moved_tag_reports_the_image_it_named_before(store: Store) -> None:
    first = put_image(store, A, tags=("x:1",))
    second = put_image(store, B, tags=("x:2",))
    change = store.tag("x:2", "x:1")
    assert (change.image_id, change.replaced) == (second, first)
    assert store.tag("x:2", "x:1").replaced is None


@pytest.mark.parametrize("name", ["sha256:1", f"x@sha256:{'0' * 64}", "Upper:1"])
def test_a_name_that_could_be_a_digest_is_not_a_tag(store: Store, name: str) -> None:
    put_image(store, A, tags=("x:1",))
    with pytest.raises(errors.InvalidReference):
        store.tag("x:1", name)


def test_an_image_without_its_last_tag_stays(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    assert lines(store.untag("x:1")) == [("untagged", "x:1")]
    assert [image.dangling for image in store.images()] == [True]
    store.collect()
    assert store.inspect(image_id.digest.hex).references == ()


def test_an_unknown_tag_cannot_be_untagged(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    with pytest.raises(errors.ReferenceNotFound):
        store.untag("x:2")


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
