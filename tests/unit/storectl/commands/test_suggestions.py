"""Hints with names that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import ImageNotFound
from storectl.commands._suggestions import suggesting, suggestion
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


@pytest.fixture
def filled(store: Store) -> Store:
    put_image(store, A, tags=("debian:12", "debian:13", "team/app:1", "many:1"))
    for number in range(2, 8):
        store.tag("many:1", f"many:{number}")
    return store


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("debian", "debian has the tags 12, 13"),
        ("debian:11", "debian has the tags 12, 13"),
        ("team/app", "team/app has the tag 1"),
        ("many:9", "many has the tags 1, 2, 3, 4, 5, …"),
        ("debain:12", "a similar name is debian"),
        ("team/ap", "a similar name is team/app"),
        ("ubuntu", None),
        ("Not A Name", None),
    ],
)
def test_a_hint_names_what_exists(filled: Store, text: str, hint: str | None) -> None:
    assert suggestion(filled, text) == hint


def test_a_hint_names_the_digests_of_a_repository_without_tags(store: Store) -> None:
    digests = []
    for number, layer in enumerate((A, B)):
        put_image(store, layer, tags=(f"app:{number}",))
        digests.append(store.inspect_manifest(f"app:{number}").summary.digest)
        store.untag(f"app:{number}")
    shown = ", ".join(f"app@{digest}" for digest in sorted(digests, key=str))
    assert suggestion(store, "app") == f"app has no tags; name an image by its digest: {shown}"


def test_the_hint_is_about_the_name_in_the_error(filled: Store) -> None:
    with pytest.raises(ImageNotFound) as caught, suggesting(filled, "team/app:1", "debian:11"):
        filled.inspect("debian:11")
    assert caught.value.hint == "debian has the tags 12, 13"
    with pytest.raises(ImageNotFound) as other, suggesting(filled):
        filled.inspect("debian:11")
    assert other.value.hint is None
