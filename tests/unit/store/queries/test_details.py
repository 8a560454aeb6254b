from __future__ import annotations

import pytest

from store import Store, errors
from store.model.contents import ContentState
from tests.support.images import A, B
from tests.support.stored_images import put_image, set_parent


def test_an_image_has_its_layers_tags_and_relatives(store: Store) -> None:
    parent = put_image(store, A)
    image_id = put_image(store, A, B, tags=("x:2", "x:1"))
    child = put_image(store, A, B, A)
    set_parent(store, image_id, parent)
    set_parent(store, child, image_id)
    found = store.inspect("x:1")
    assert (found.image_id, found.parent, found.children) == (image_id, parent, (child,))
    assert [tag.reference.familiar for tag in found.references] == ["x:1", "x:2"]
    assert [layer.diff_id for layer in found.layers] == list(found.config.diff_ids)
    assert [layer.size_bytes for layer in found.layers] == [len(A), len(B)]
    assert found.size_bytes == len(A) + len(B)
    assert {layer.state for layer in found.layers} == {ContentState.PRESENT}
    assert [manifest.deterministic for manifest in found.manifests] == [True]
    assert found.last_tagged == store.now()


def test_an_untagged_image_was_never_tagged(store: Store) -> None:
    image_id = put_image(store, A)
    assert store.inspect(image_id.digest.hex).last_tagged is None


def test_a_manifest_lists_what_it_points_to(store: Store) -> None:
    image_id = put_image(store, A, B, tags=("x:1",))
    found = store.inspect_manifest("x:1")
    assert [(link.role, link.digest) for link in found.links] == [
        ("config", image_id.digest),
        *(("layer", diff.digest) for diff in store.inspect("x:1").config.diff_ids),
    ]
    assert [reference.familiar for reference in found.summary.references] == ["x:1"]
    assert found.referrers == ()


@pytest.mark.parametrize("name", ["nothing", "0" * 64])
def test_an_unknown_name_has_no_details(store: Store, name: str) -> None:
    with pytest.raises(errors.ImageNotFound):
        store.inspect(name)
    with pytest.raises(errors.ImageNotFound):
        store.inspect_manifest(name)
