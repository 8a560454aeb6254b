from __future__ import annotations

import io

import pytest

from store import ImageID, Store, errors
from store.model.digests import Digest
from store.model.references import Reference
from store.names import resolve
from store.names.resolve import ResolvedImage, ResolvedManifest, ResolvedRepository
from tests.support.images import A, B, config, image
from tests.support.layouts import INDEX, encode
from tests.support.stored_images import put_image

ABSENT = "0" * 64


def resolved(store: Store, text: str) -> resolve.Resolved:
    with store.read() as connection:
        return resolve.resolve(connection, text)


def test_a_name_without_a_tag_is_every_tag_of_its_repository(store: Store) -> None:
    put_image(store, A, tags=("x:2", "y:1"))
    put_image(store, B, tags=("x:1",))
    found = resolved(store, "x")
    assert isinstance(found, ResolvedRepository)
    assert [target.reference.familiar for target in found.targets] == ["x:1", "x:2"]


def test_a_tag_is_its_manifest_and_image(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    found = resolved(store, "x:1")
    assert isinstance(found, ResolvedManifest)
    assert found.reference == Reference.parse("x:1")
    assert found.target is not None
    assert (found.target.digest, found.target.image) == (found.digest, found.image)


def test_the_digest_of_a_reference_wins_over_its_tag(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    put_image(store, B, tags=("x:2",))
    digest = store.inspect("x:1").manifests[0].digest
    found = resolved(store, f"x:2@{digest}")
    assert isinstance(found, ResolvedManifest)
    assert (found.digest, found.target) == (digest, None)
    assert found.reference is not None
    assert found.reference.digest == digest


@pytest.mark.parametrize("length", [64, 12, 7])
def test_an_id_or_its_beginning_is_an_image_without_a_tag(store: Store, length: int) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    for text in (image_id.digest.hex[:length], f"sha256:{image_id.digest.hex[:length]}"):
        found = resolved(store, text)
        assert isinstance(found, ResolvedImage)
        assert (found.image_id, found.target) == (image_id, None)


def test_a_manifests_digest_is_that_manifest(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    digest = store.inspect("x:1").manifests[0].digest
    found = resolved(store, str(digest))
    assert isinstance(found, ResolvedManifest)
    assert (found.digest, found.reference) == (digest, None)


def test_a_repository_wins_over_an_id_that_begins_with_its_name(store: Store) -> None:
    image_id = put_image(store, A)
    name = image_id.digest.hex[:6]
    assert isinstance(resolved(store, name), ResolvedImage)
    store.tag(image_id.digest.hex, f"{name}:1")
    assert isinstance(resolved(store, name), ResolvedRepository)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nothing", errors.ImageNotFound),
        (ABSENT, errors.ImageNotFound),
        (f"sha256:{ABSENT}", errors.ImageNotFound),
        ("sha256:abc", errors.ImageNotFound),
        ("x:nothing", errors.ReferenceNotFound),
        (f"x@sha256:{ABSENT}", errors.ReferenceNotFound),
        ("x@sha256:abc", errors.InvalidReference),
        ("Upper", errors.InvalidReference),
        ("", errors.InvalidReference),
    ],
)
def test_unknown_and_malformed_texts_have_their_errors(
    store: Store, text: str, error: type[Exception]
) -> None:
    put_image(store, A, tags=("x:1",))
    with pytest.raises(error):
        resolved(store, text)


def test_an_ambiguous_beginning_lists_the_images(store: Store) -> None:
    made: dict[str, ImageID] = {}
    for number in range(20):
        data = config(A, number=number)
        first = Digest.of(data).hex[0]
        store.import_archive(io.BytesIO(image(A, tags=(), number=number).bytes()))
        if first in made:
            with pytest.raises(errors.AmbiguousName) as caught:
                resolved(store, f"sha256:{first}")
            assert str(made[first]) in caught.value.matches
            assert len(caught.value.matches) == 2
            return
        made[first] = ImageID.of(data)
    pytest.fail("no two of 20 images had an ID with the same first digit")


def test_one_image_takes_the_tag_latest_where_none_is_written(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:latest",))
    with store.read() as connection:
        found = resolve.resolve_image(connection, "x")
    assert found.image_id == image_id
    assert found.target is not None
    assert found.target.reference.tag == "latest"


def test_one_manifest_of_an_id_is_the_named_one(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    named = store.inspect("x:1").manifests[0].digest
    with store.read() as connection:
        found = resolve.resolve_manifest(connection, image_id.digest.short)
    assert (found.digest, found.target) == (named, None)


def test_one_manifest_of_a_tag_may_have_no_image(store: Store) -> None:
    from store.registry.registry import Registry

    data = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    Registry(store).put_manifest(
        Reference.parse("x").repository, data, media_type=INDEX, digest=None, tags=("list",)
    )
    with store.read() as connection:
        assert resolve.resolve_manifest(connection, "x:list").image is None
        with pytest.raises(errors.ImageNotFound):
            resolve.resolve_image(connection, "x:list")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (ABSENT, f"sha256:{ABSENT}"),
        (f"sha256:{ABSENT}", f"sha256:{ABSENT}"),
        (f"sha512:{ABSENT * 2}", f"sha512:{ABSENT * 2}"),
        (ABSENT[1:], None),
        (ABSENT.replace("0", "A"), None),
        ("sha256:", None),
        ("x", None),
    ],
)
def test_only_a_whole_digest_is_a_full_id(text: str, want: str | None) -> None:
    found = resolve.parse_full_id(text)
    assert (None if found is None else str(found)) == want
