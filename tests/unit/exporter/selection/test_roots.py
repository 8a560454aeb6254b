from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter.selection.document_reader import DocumentReader
from exporter.selection.roots import SavedRoot, resolve_roots
from store import Store, errors
from store.model.digests import Digest
from store.model.references import Reference
from tests.support.images import A, B
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from tests.support.layouts import Descriptor


@pytest.fixture
def image(store: Store) -> Descriptor:
    """Import image ``app:1``, and index ``app:2`` that lists the image; return its descriptor."""
    layout = Layout()
    made = layout.root(layout.image(A), "docker.io/library/app:1")
    layout.root(layout.index(made, layout.image(B, platform="linux/arm64")), "example.org/app:2")
    store.import_archive(io.BytesIO(layout.tar()))
    return made


def roots(store: Store, *names: str) -> tuple[SavedRoot, ...]:
    with store.read() as connection:
        return resolve_roots(connection, names, DocumentReader(lambda _: b""))


def test_one_manifest_under_several_names_is_one_root(store: Store, image: Descriptor) -> None:
    tag = Reference.parse("app:1")
    (root,) = roots(store, image["digest"], "app:1", f"app@{image['digest']}", "app:1")
    mine = (tag.repository,)
    assert root == SavedRoot(Digest.parse(image["digest"]), (tag,), mine, pinned=mine)
    assert root.names == (tag,)
    assert root.name == "app:1"


def test_a_digest_reference_names_a_repository_but_no_tag(store: Store, image: Descriptor) -> None:
    (root,) = roots(store, f"app@{image['digest']}")
    assert (root.tags, [one.familiar for one in root.repositories]) == ((), ["app"])
    assert [name.familiar for name in root.names] == [f"app@{image['digest']}"]
    assert root.name == image["digest"]


def test_an_image_id_is_the_manifest_that_has_a_name(store: Store, image: Descriptor) -> None:
    image_id = store.inspect("app:1").image_id
    assert image_id is not None
    for text in (str(image_id), image_id.digest.hex[:12]):
        assert [str(root.digest) for root in roots(store, text)] == [image["digest"]]


def test_a_repository_is_all_its_tags_in_the_order_of_arguments(
    store: Store, image: Descriptor
) -> None:
    found = roots(store, "example.org/app", "app")
    assert [root.name for root in found] == ["example.org/app:2", "app:1"]
    assert str(found[1].digest) == image["digest"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("app:3", errors.ReferenceNotFound),
        (f"app@sha256:{'0' * 64}", errors.ReferenceNotFound),
        ("absent", errors.ImageNotFound),
        ("f" * 64, errors.ImageNotFound),
        ("app@sha256:0", errors.InvalidReference),
    ],
)
def test_one_unknown_name_fails_the_whole_save(
    store: Store, image: Descriptor, name: str, error: type[errors.StoreError]
) -> None:
    with pytest.raises(error):
        roots(store, image["digest"], name)
