"""Name resolution of save (docs/formats/docker-archive.md §5), and the commands about names."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from store import ImageID, Store, errors
from tests.support.images import A, B, config
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Callable


def manifest_of(archive: bytes) -> list[dict[str, object]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        return json.load(member)  # type: ignore[no-any-return]


def test_a_name_without_a_tag_means_all_its_tags_in_order(
    store: Store, save: Callable[..., bytes]
) -> None:
    put_image(store, A, tags=("x:2", "x:1"))
    put_image(store, B, tags=("x:0",))
    assert [one["RepoTags"] for one in manifest_of(save("x"))] == [["x:0"], ["x:1", "x:2"]]


def test_an_id_adds_no_tag_and_removes_none(store: Store, save: Callable[..., bytes]) -> None:
    found = put_image(store, A, tags=("x:1", "x:3"))
    assert [one["RepoTags"] for one in manifest_of(save(found.digest.hex, "x:3"))] == [["x:3"]]
    untagged = save(found.digest.hex[:9])
    assert manifest_of(untagged)[0]["RepoTags"] is None
    assert b"repositories" not in untagged


def test_a_digest_reference_selects_without_a_tag(store: Store, save: Callable[..., bytes]) -> None:
    put_image(store, A, tags=("x:1",))
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
    put_image(store, A, tags=("x:1",))
    with pytest.raises(error):
        save("x:1", name)
    assert [event.action for event in store.events()] == ["import"]
