"""Lists of referrers in tags keep the entries of all clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from remote.errors import InvalidAnswer
from remote.pushing.listings import add_referrers, descriptor_of, merged_list
from remote.registry.values import Tag
from store.formats.distribution.referrers import fallback_tag
from store.formats.image.manifests import Document
from store.model.digests import Digest
from tests.support.layout_documents import documents_of
from tests.support.layouts import INDEX, MANIFEST, Layout

if TYPE_CHECKING:
    from tests.support.other_registry import OtherRegistry

SUBJECT = Digest.of(b"subject")
TAG = Tag(fallback_tag(SUBJECT))


def entry(name: str) -> dict[str, Any]:
    return {
        "mediaType": MANIFEST,
        "digest": str(Digest.of(name.encode())),
        "size": len(name),
        "annotations": {"name": name},
    }


def listed(registry: OtherRegistry) -> list[str]:
    answer = registry.manifest("mine/app", str(TAG))
    return [one["annotations"]["name"] for one in answer.json["manifests"]]


def test_the_descriptor_has_the_type_and_the_annotations_of_the_manifest() -> None:
    layout = Layout()
    image = layout.image(b"layer")
    signature = layout.artifact(
        b"signature", subject=image, artifact_type="application/vnd.example", annotations={"a": "b"}
    )
    (document,) = documents_of(layout, signature).values()

    assert descriptor_of(document) == {
        "mediaType": MANIFEST,
        "digest": signature["digest"],
        "size": signature["size"],
        "artifactType": "application/vnd.example",
        "annotations": {"a": "b"},
    }


def test_without_an_artifact_type_the_type_of_the_config_is_listed() -> None:
    layout = Layout()
    image = layout.image(b"layer")
    other = layout.image(b"other", subject={k: image[k] for k in ("mediaType", "digest", "size")})
    (document,) = documents_of(layout, other).values()

    described = descriptor_of(document)

    assert described["artifactType"] == "application/vnd.oci.image.config.v1+json"
    assert "annotations" not in described


def test_a_list_that_has_all_entries_is_not_written() -> None:
    first = merged_list(None, [entry("a"), entry("b"), entry("a")])
    assert first is not None
    document = Document.parse(first)

    assert [one["annotations"]["name"] for one in json.loads(first)["manifests"]] == ["a", "b"]
    assert merged_list(document, [entry("b"), entry("a")]) is None


def test_other_members_of_a_list_stay() -> None:
    known = Document.parse(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [entry("theirs") | {"x-own": 1}],
                "annotations": {"made": "elsewhere"},
            }
        ).encode()
    )

    merged = json.loads(merged_list(known, [entry("ours")]) or b"")

    assert merged["annotations"] == {"made": "elsewhere"}
    assert merged["manifests"] == [entry("theirs") | {"x-own": 1}, entry("ours")]


def test_entries_are_added_to_the_list_in_the_registry(registry: OtherRegistry) -> None:
    repository = registry.repository("mine/app")

    registry.run(lambda: add_referrers(repository, SUBJECT, [entry("a")]))
    registry.run(lambda: add_referrers(repository, SUBJECT, [entry("b")]))
    registry.run(lambda: add_referrers(repository, SUBJECT, [entry("a")]))

    assert listed(registry) == ["a", "b"]


def test_a_tag_that_names_an_image_is_not_overwritten(registry: OtherRegistry) -> None:
    layout = Layout()
    artifact = layout.artifact(b"thing")
    repository = registry.repository("mine/app")

    async def push_artifact() -> None:
        document = documents_of(layout, artifact)[Digest.parse(artifact["digest"])]
        for link in document.links:
            data = layout.blobs[str(link.digest)]

            async def chunks(offset: int, data: bytes = data) -> Any:  # noqa: ANN401
                yield data[offset:]

            await repository.send_blob(link.target, chunks)
        await repository.put_manifest(TAG, document.data, document.media_type)

    registry.run(push_artifact)

    with pytest.raises(InvalidAnswer, match="names a manifest") as caught:
        registry.run(lambda: add_referrers(repository, SUBJECT, [entry("a")]))

    assert str(TAG) in caught.value.message
    assert registry.digest("mine/app", str(TAG)) == artifact["digest"]
