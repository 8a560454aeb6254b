from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog.lists import repository_lists
from store.errors import ReferenceNotFound
from store.model.digests import Digest
from store.model.references import Reference
from tests.support import images
from tests.support.layouts import INDEX, MANIFEST, encode
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image, squeezed

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.registry.registry import Registry


def _file(store: Store, data: bytes) -> Path:
    path = store.root.parent / "archive.tar"
    path.write_bytes(data)
    return path


def test_tags_have_pages(registry: Registry) -> None:
    push_image(registry, (images.A, squeezed(images.A)), tags=("b", "a", "C"))
    assert registry.tags(APP) == ["C", "a", "b"]
    assert registry.tags(APP, after="C", limit=1) == ["a"]


def test_repositories_of_one_registry_and_of_all_others(store: Store, registry: Registry) -> None:
    for name in ("demo:1", "quay.io/x/y:1", "docker.io.example/z:1"):
        store.import_archive(_file(store, images.image(images.A, tags=(name,)).bytes()))
    registry.uploads.cancel(APP, registry.uploads.begin(APP))
    push_blob(registry, b"no manifest", OTHER)
    assert [str(one) for one in registry.repositories(after="", limit=9, domain="docker.io")] == [
        "docker.io/library/demo"
    ]
    assert [str(one) for one in registry.repositories(after="", limit=9, outside="docker.io")] == [
        "docker.io.example/z",
        "quay.io/x/y",
    ]
    assert [str(one) for one in registry.repositories(after="docker.io/m", limit=1)] == [
        "quay.io/x/y"
    ]


def test_annotations_are_read_for_as_many_referrers_as_fit_into_one_answer(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Digest.of(b"later")
    for number in range(5):
        document = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [],
            "annotations": {"number": f"{number}" * 100},
        }
        about = {"mediaType": MANIFEST, "digest": str(subject), "size": 5}
        registry.put_manifest(
            APP, encode(document | {"subject": about}), media_type=INDEX, digest=None, tags=[]
        )

    def annotated(most_bytes: int) -> list[bool]:
        monkeypatch.setattr(repository_lists, "ANNOTATED_BYTES", most_bytes)
        found = registry.referrers(APP, subject, artifact_type=None, after="", limit=9)
        assert all(one.annotations is None or one.annotations for one in found)
        return [bool(one.annotations) for one in found]

    (size,) = {
        one.size_bytes
        for one in registry.referrers(APP, subject, artifact_type=None, after="", limit=9)
    }
    assert annotated(5 * size) == [True] * 5
    assert annotated(3 * size) == [True, True, True, False]
    assert annotated(0) == [True, False]


def test_referrers_of_a_missing_subject_are_listed(registry: Registry) -> None:
    push_blob(registry, b"{}")
    config = {
        "mediaType": "application/vnd.example+json",
        "digest": str(Digest.of(b"{}")),
        "size": 2,
    }
    subject = {"mediaType": MANIFEST, "digest": str(Digest.of(b"later")), "size": 5}
    digests = []
    for kind in ("one", "two", None):
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [],
            "subject": subject,
            "annotations": {"kind": str(kind)},
        }
        document |= {"artifactType": kind} if kind else {}
        done = registry.put_manifest(APP, encode(document), media_type="", digest=None, tags=())
        assert done.subject == Digest.of(b"later")
        digests.append(done.digest)
    found = registry.referrers(APP, Digest.of(b"later"), artifact_type=None, after="", limit=9)
    assert [one.digest for one in found] == sorted(digests, key=str)
    assert {one.artifact_type for one in found} == {"one", "two", "application/vnd.example+json"}
    (one,) = registry.referrers(APP, Digest.of(b"later"), artifact_type="one", after="", limit=9)
    assert (one.annotations, one.media_type) == ({"kind": "one"}, MANIFEST)
    assert (
        len(
            registry.referrers(
                APP, Digest.of(b"later"), artifact_type=None, after=str(found[0].digest), limit=9
            )
        )
        == 2
    )
    assert (
        registry.referrers(OTHER, Digest.of(b"later"), artifact_type=None, after="", limit=9) == []
    )


def test_a_variant_is_written_only_while_its_original_is_in_place(registry: Registry) -> None:
    _, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1",))
    data = registry.manifest(APP, digest).data

    def offer(original: Reference, tag: str) -> None:
        registry.put_manifest(
            APP, data, media_type=MANIFEST, digest=digest, tags=(tag,), offered_for=original
        )

    offer(Reference(APP, "1", digest), "1-zstd")
    assert not registry.is_taken(APP, "1-zstd")
    assert registry.is_taken(APP, "1")
    with pytest.raises(ReferenceNotFound):
        offer(Reference(APP, "1", digest), "1")
    with pytest.raises(ReferenceNotFound):
        offer(Reference(APP, "1", Digest.of(b"moved")), "2-zstd")
    registry.delete_tag(APP, "1")
    assert registry.tags(APP) == []


def test_unverified_images_are_listed_until_they_are_verified(
    store: Store, registry: Registry
) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.A)))
    assert store.unverified_images(limit=9) == [(image_id, str(APP))]
    assert store.unverified_images(after=image_id, limit=9) == []
    store.verify_image(image_id)
    assert store.unverified_images(limit=9) == []
    assert registry.image_holders(image_id.digest) == (APP,)
