"""What a repository receives is in an order in which it can be sent, and complete."""

from __future__ import annotations

import pytest

from remote.pushing.shipment import listed, shipment
from store.errors import InvalidDocument, TooLarge
from store.formats.distribution.referrers import fallback_tag
from store.model.digests import Digest
from store.model.limits import Limits
from tests.support.layout_documents import documents_of
from tests.support.layouts import FOREIGN_LAYER, Layout, foreign, gzip, plain

BASE = b"base" * 100
A = b"a" * 300
B = b"b" * 300


def _digest(descriptor: dict[str, object]) -> Digest:
    return Digest.parse(str(descriptor["digest"]))


def test_a_blob_of_several_images_is_sent_once() -> None:
    layout = Layout()
    index = layout.index(layout.image(BASE, A), layout.image(BASE, B, platform="linux/arm64"))

    planned = shipment(documents_of(layout, index), {"1": _digest(index)})

    layers = [blob for blob in planned.blobs.values() if "layer" in blob.media_type]
    assert sorted(blob.size_bytes for blob in layers) == [300, 300, 400]
    assert len(planned.blobs) == 5


def test_children_and_subjects_are_on_earlier_levels() -> None:
    layout = Layout()
    first, second = layout.image(A), layout.image(B, platform="linux/arm64")
    index = layout.index(first, second)
    signature = layout.artifact(b"signature", subject=index)

    planned = shipment(documents_of(layout, signature, index), {"1": _digest(index)})

    levels = [{document.digest for document in level} for level in planned.levels]
    assert levels == [{_digest(first), _digest(second)}, {_digest(index)}, {_digest(signature)}]
    assert [one.digest for one in planned.documents][-1] == _digest(signature)
    assert planned.tags["1"].digest == _digest(index)


def test_bytes_in_a_descriptor_are_kept_for_sending() -> None:
    layout = Layout()
    artifact = layout.artifact(b"data")

    planned = shipment(documents_of(layout, artifact), {})

    assert planned.embedded == {Digest.of(b"{}"): b"{}"}


def test_a_foreign_layer_is_not_sent_unless_it_is_asked_for() -> None:
    layout = Layout()
    image = layout.image(foreign(plain(A), "https://layers.example/a"), gzip(B))
    documents = documents_of(layout, image)

    usual, with_all = shipment(documents, {}), shipment(documents, {}, with_foreign_layers=True)

    assert Digest.of(A) not in usual.blobs
    (note,) = usual.notes
    assert str(Digest.of(A)) in note
    assert "https://layers.example/a" in note
    assert with_all.blobs[Digest.of(A)].media_type == FOREIGN_LAYER
    assert not with_all.notes


def test_the_list_of_referrers_is_merged_and_not_sent() -> None:
    layout = Layout()
    image = layout.image(A)
    signature = layout.artifact(b"signature", subject=image)
    index = layout.index({**signature, "annotations": {"why": "kept"}})

    planned = shipment(
        documents_of(layout, image, index),
        {"1": _digest(image), fallback_tag(_digest(image)): _digest(index)},
    )

    assert list(planned.tags) == ["1"]
    assert _digest(index) not in {one.digest for one in planned.documents}
    assert _digest(signature) in {one.digest for one in planned.documents}
    (entry,) = planned.listings[_digest(image)]
    assert entry["digest"] == signature["digest"]
    assert entry["annotations"] == {"why": "kept"}


def test_a_list_that_has_another_name_as_well_is_sent() -> None:
    layout = Layout()
    image = layout.image(A)
    index = layout.index(layout.artifact(b"signature", subject=image))

    planned = shipment(
        documents_of(layout, image, index),
        {"mine": _digest(index), fallback_tag(_digest(image)): _digest(index)},
    )

    assert list(planned.tags) == ["mine"]
    assert _digest(index) in {one.digest for one in planned.documents}


def test_every_entry_of_an_index_is_listed_with_all_its_members() -> None:
    layout = Layout()
    index = layout.index({**layout.image(A), "x-own": [1, 2]})
    (document,) = (
        one for one in documents_of(layout, index).values() if one.digest == _digest(index)
    )

    (entry,) = listed(document)

    assert entry["x-own"] == [1, 2]


def test_two_sizes_of_one_blob_are_refused() -> None:
    layout = Layout()
    first = layout.image(A)
    lying = layout.blob(A, "text/plain")
    lying["size"] = 7
    second = layout.document(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": lying,
            "layers": [],
        },
        "application/vnd.oci.image.manifest.v1+json",
    )

    with pytest.raises(InvalidDocument, match=r"300 bytes, but .* says 7") as caught:
        shipment(documents_of(layout, first, second), {})

    assert str(Digest.of(A)) in caught.value.message


def test_the_number_of_blobs_has_a_ceiling() -> None:
    layout = Layout()
    image = layout.image(A, B)

    with pytest.raises(TooLarge):
        shipment(documents_of(layout, image), {}, limits=Limits(graph_nodes=2))
