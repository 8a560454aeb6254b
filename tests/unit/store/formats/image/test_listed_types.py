from __future__ import annotations

import pytest

from store.formats.image.listed_types import wrong_types
from store.formats.image.manifests import Document
from store.formats.image.media_types import DOCKER_MANIFEST
from tests.support.layouts import INDEX, MANIFEST, encode

CHILD = Document.parse(encode({"schemaVersion": 2, "manifests": []}), media_type=INDEX)


def listing(media_type: str) -> Document:
    link = {"mediaType": media_type, "digest": str(CHILD.digest), "size": len(CHILD.data)}
    return Document.parse(encode({"schemaVersion": 2, "manifests": [link]}))


@pytest.mark.parametrize("media_type", [INDEX, ""])
def test_a_link_states_the_type_of_its_target_or_none(media_type: str) -> None:
    assert list(wrong_types(listing(media_type).children, {CHILD.digest: CHILD}, "it")) == []


@pytest.mark.parametrize("media_type", [MANIFEST, DOCKER_MANIFEST])
def test_a_link_with_another_type_is_an_error(media_type: str) -> None:
    links = listing(media_type).children
    ((digest, error),) = wrong_types(links, {CHILD.digest: CHILD}, "index it")
    assert (digest, error.document) == (CHILD.digest, "index it")
    assert media_type in error.message
    # The type of an unknown document cannot be compared.
    assert list(wrong_types(links, {}, "it")) == []
