from __future__ import annotations

import io
import json

import pytest

from store import ImageID, Store, errors
from store.model.digests import Digest
from store.model.platforms import DEFAULT_CHOICE, Platform, PlatformChoice
from store.model.references import Reference
from store.names import resolve
from store.names.resolve import ResolvedImage, ResolvedManifest, ResolvedRepository
from tests.support.images import A, B, config, image
from tests.support.layouts import INDEX, Layout, encode
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


# --- the image of an index ------------------------------------------------------------------------

ARM = PlatformChoice((Platform.parse("linux/arm64"),))
S390X = PlatformChoice((Platform.parse("linux/s390x"),))


def image_of(
    store: Store, text: str, choice: PlatformChoice = DEFAULT_CHOICE
) -> resolve.ResolvedImage:
    with store.read() as connection:
        return resolve.resolve_image(connection, text, choice)


def platform_of(store: Store, found: resolve.ResolvedImage) -> str:
    config = json.loads(store.read_whole(found.image_id.digest))
    return f"{config['os']}/{config['architecture']}"


@pytest.fixture
def indexes(store: Store) -> dict[str, str]:
    """Import indexes for several platforms; return the digest of each."""
    layout = Layout()
    amd, arm, s390x = (
        layout.image(layer, platform=f"linux/{name}")
        for layer, name in ((A, "amd64"), (B, "arm64"), (A + B, "s390x"))
    )
    tops = {
        "both": layout.index(arm, amd),
        "arm": layout.index(arm, layout.absent("linux/amd64")),
        "others": layout.index(s390x, arm),
        "nested": layout.index(layout.index(arm)),
        "empty": layout.index(layout.absent("linux/amd64")),
        "single": arm,
    }
    for name, top in tops.items():
        layout.root(top, f"docker.io/library/x:{name}")
    store.import_archive(io.BytesIO(layout.tar()))
    return {name: str(top["digest"]) for name, top in tops.items()}


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("both", "linux/amd64"),
        ("arm", "linux/arm64"),
        ("others", "linux/s390x"),
        ("nested", "linux/arm64"),
        ("single", "linux/arm64"),
    ],
)
def test_the_name_of_an_index_is_its_default_or_first_image(
    store: Store, indexes: dict[str, str], name: str, want: str
) -> None:
    for text in (f"x:{name}", f"x@{indexes[name]}", indexes[name]):
        assert platform_of(store, image_of(store, text)) == want
        assert platform_of(store, image_of(store, text, ARM)) == "linux/arm64"


def test_the_image_for_the_machine_is_preferred(store: Store, indexes: dict[str, str]) -> None:
    del indexes
    on_arm = PlatformChoice(machine=Platform.parse("linux/arm64"))
    assert platform_of(store, image_of(store, "x:both", on_arm)) == "linux/arm64"


def test_a_platform_without_an_image_is_refused(store: Store, indexes: dict[str, str]) -> None:
    arm_id = image_of(store, "x:arm").image_id
    for text in ("x:both", "x:single", indexes["arm"], str(arm_id), arm_id.digest.short):
        with pytest.raises(errors.InvalidInput) as caught:
            image_of(store, text, S390X)
        assert "linux/arm64" in (caught.value.hint or "")
    with pytest.raises(errors.ImageNotFound):
        image_of(store, "x:empty")


def test_known_tags_need_no_statement_and_other_names_are_still_found(store: Store) -> None:
    first = put_image(store, A, tags=("app:1", "app:latest"))
    put_image(store, B, tags=("other:2",))
    texts = [
        "app:1",
        "app",
        "other:2",
        "absent:1",
        "UPPER:1",
        str(first),
        "app@" + "sha256:" + "0" * 64,
    ]
    with store.read() as connection:
        known = resolve.tags_of(connection, texts)
        assert {name.familiar for name in known} == {"app:1", "app:latest", "other:2"}
        for text in ("app:1", "app", "other:2", str(first)):
            want = resolve.resolve(connection, text)
            assert resolve.resolve(connection, text, known=known) == want
        with pytest.raises(errors.ReferenceNotFound):
            resolve.resolve(connection, "absent:1", known=known)
