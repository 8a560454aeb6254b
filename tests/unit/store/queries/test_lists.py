from __future__ import annotations

from dataclasses import replace

import pytest

from store import ImageFilter, ImageID, Store, errors
from store.model.references import Repository
from store.registry.registry import Registry
from tests.support.images import A, B, E
from tests.support.layouts import INDEX, encode
from tests.support.stored_images import put_image, set_parent


@pytest.fixture
def three(store: Store) -> dict[ImageID, str]:
    """Import three images, the newest without a tag; return a mapping from image ID to name."""
    labels = {"stage": "prod", "x": "1"}
    first = put_image(store, A, tags=("team/a:1",), labels=labels, created="2020-01-01T00:00:00Z")
    second = put_image(
        store, B, tags=("b:1", "b:2"), labels={"stage": "test"}, created="2021-01-01T00:00:00Z"
    )
    third = put_image(store, E, created="2022-01-01T00:00:00Z")
    return {first: "first", second: "second", third: "third"}


@pytest.mark.parametrize(
    ("filters", "want"),
    [
        (ImageFilter(), "third second first"),
        (ImageFilter(references=("team/*",)), "first"),
        (ImageFilter(references=("team/a",)), "first"),
        (ImageFilter(references=("b:2",)), "second"),
        (ImageFilter(references=("b:2", "team/*")), "second first"),
        (ImageFilter(references=("nothing",)), ""),
        (ImageFilter(labels=("stage",)), "second first"),
        (ImageFilter(labels=("stage=prod", "x=1")), "first"),
        (ImageFilter(labels=("stage=prod", "x=2")), ""),
        (ImageFilter(labels=("stage",), references=("b:*",)), "second"),
        (ImageFilter(dangling=True), "third"),
        (ImageFilter(dangling=False), "second first"),
        (ImageFilter(before="b:1"), "first"),
        (ImageFilter(since="b:1"), "third"),
        (ImageFilter(limit=2), "third second"),
        (ImageFilter(limit=2, after="b:1"), "first"),
        (ImageFilter(labels=("stage",), limit=1), "second"),
        (ImageFilter(labels=("stage",), after="b:1"), "first"),
    ],
)
def test_images_are_filtered_and_paged(
    store: Store, three: dict[ImageID, str], filters: ImageFilter, want: str
) -> None:
    assert [three[image.image_id] for image in store.images(filters)] == want.split()


def test_a_filter_by_reference_hides_the_other_tags(
    store: Store, three: dict[ImageID, str]
) -> None:
    assert three
    (image,) = store.images(ImageFilter(references=("b:2",)))
    assert [tag.reference.familiar for tag in image.references] == ["b:2"]


@pytest.mark.parametrize(
    "filters",
    [ImageFilter(before="nothing"), ImageFilter(since="nothing"), ImageFilter(after="nothing")],
)
def test_a_filter_by_an_unknown_image_is_an_error(store: Store, filters: ImageFilter) -> None:
    with pytest.raises(errors.ImageNotFound):
        store.images(filters)


def test_an_unnamed_image_that_another_is_built_on_is_intermediate(store: Store) -> None:
    parent = put_image(store, A)
    child = put_image(store, A, B, tags=("x:1",))
    set_parent(store, child, parent)
    assert [image.image_id for image in store.images()] == [child]
    everything = store.images(ImageFilter(include_intermediate=True))
    found = {image.image_id: image.intermediate for image in everything}
    assert found == {parent: True, child: False}
    assert not any(image.dangling for image in everything)


@pytest.mark.parametrize(
    ("prefix", "limit", "want"),
    [
        ("", 10, ["b:1", "b:2", "team/a:1"]),
        ("b", 10, ["b:1", "b:2"]),
        ("b:", 10, ["b:1", "b:2"]),
        ("b:2", 10, ["b:2"]),
        ("team", 10, ["team/a:1"]),
        ("", 2, ["b:1", "b:2"]),
        ("nothing", 10, []),
    ],
)
def test_names_are_completed(
    store: Store, three: dict[ImageID, str], prefix: str, limit: int, want: list[str]
) -> None:
    assert three
    assert [name.familiar for name in store.names(prefix, limit)] == want


def push_index(store: Store, tag: str, **members: object) -> str:
    data = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], **members})
    pushed = Registry(store).put_manifest(
        Repository("docker.io", "library/list"), data, media_type=INDEX, digest=None, tags=(tag,)
    )
    return str(pushed.digest)


def test_manifests_without_an_image_have_a_list_of_their_own(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    digests = sorted(push_index(store, tag, annotations={"n": tag}) for tag in ("1", "2", "3"))
    assert [str(one.digest) for one in store.manifests()] == digests
    page = store.manifests(ImageFilter(limit=1, after=digests[0]))
    assert [str(one.digest) for one in page] == digests[1:2]
    assert store.images(ImageFilter(after=digests[0])) == ()
    (named,) = store.manifests(ImageFilter(references=("list:2",)))
    assert [reference.familiar for reference in named.references] == ["list:2"]
    assert store.manifests(ImageFilter(labels=("stage",))) == ()
    assert store.manifests(ImageFilter(dangling=True)) == ()


def test_a_long_list_and_a_page_have_the_same_sizes(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    put_image(store, B, tags=("y:1",))
    whole = store.images()
    assert whole == store.images(ImageFilter(limit=10))
    assert whole == store.images(ImageFilter(references=("*",)))
    assert all(one.size_bytes for one in whole)


def test_manifests_are_left_out_if_they_are_not_needed(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    (full,), (short,) = store.images(), store.images(ImageFilter(with_manifests=False))
    assert full.manifests
    assert short == replace(full, manifests=())
