from __future__ import annotations

import pytest

from store import Store, errors
from tests.support.images import A, B
from tests.support.stored_images import put_image


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
