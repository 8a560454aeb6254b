"""Walks over graphs of manifests and indexes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.errors import TooLarge
from store.formats.image.graph_walk import bottom_up, levels, links_below
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from store.formats.image.manifests import Link

DIAMONDS = 2_000


def twice(number: int) -> list[int]:
    """Return the children of node ``number``: its predecessor, listed twice. Node 0 has none."""
    return [number - 1, number - 1] if number else []


def many_twice(numbers: Collection[int]) -> Iterable[int]:
    return [below for number in numbers for below in twice(number)]


def test_levels_ask_for_each_node_once() -> None:
    asked: list[int] = []

    def below(numbers: Collection[int]) -> Iterable[int]:
        asked.extend(numbers)
        return many_twice(numbers)

    limits = replace(DEFAULT_LIMITS, graph_depth=DIAMONDS + 1)
    assert list(levels((DIAMONDS,), below, limits)) == list(range(DIAMONDS, -1, -1))
    assert asked == list(range(DIAMONDS, -1, -1))


def test_depth_and_nodes_have_ceilings() -> None:
    limits = replace(DEFAULT_LIMITS, graph_depth=3)
    assert list(levels((2,), many_twice, limits)) == [2, 1, 0]
    with pytest.raises(TooLarge, match="more than 3 levels deep") as caught:
        list(levels((3,), many_twice, limits))
    assert caught.value.limit == 3
    limits = replace(DEFAULT_LIMITS, graph_nodes=3)
    with pytest.raises(TooLarge, match="more than 3 manifests") as caught:
        list(levels((3,), many_twice, limits))
    assert caught.value.limit == 3


def test_bottom_up_yields_children_first_and_needs_no_recursion() -> None:
    assert list(bottom_up((DIAMONDS * 10,), twice)) == list(range(DIAMONDS * 10 + 1))
    graph = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}
    assert list(bottom_up("ca", graph.__getitem__)) == ["d", "c", "b", "a"]


def test_links_of_an_inner_index_are_yielded_once_and_in_order() -> None:
    layout = Layout()
    image, other = layout.image(b"a"), layout.image(b"b")
    inner = layout.index(other)
    top = layout.index(inner, image, inner, image)
    documents = {
        document.digest: document
        for data in layout.members().values()
        if b'"schemaVersion"' in data
        for document in [Document.parse(data)]
        if document.links
    }

    def order(*, skip: Digest | None = None) -> list[str]:
        def wanted(link: Link) -> bool:
            return link.digest != skip

        start = documents[Digest.parse(top["digest"])]
        return [str(link.digest) for link in links_below(start, documents, wanted)]

    one, two, index = image["digest"], other["digest"], inner["digest"]
    assert order() == [index, two, one, index, one]
    assert order(skip=Digest.parse(index)) == [one, one]
