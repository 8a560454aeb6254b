"""An image on its way is planned under the name that it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from remote.pushing.image import SentImage
from store.errors import InvalidInput
from store.model.digests import Digest
from tests.support.layout_documents import documents_of
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from remote.pushing.sources import BlobSource


@pytest.fixture
def sent() -> SentImage:
    layout = Layout()
    image = layout.image(b"layer")
    signature = layout.artifact(b"signature")
    documents = documents_of(layout, image, signature)
    return SentImage(
        "team/app:1",
        documents[Digest.parse(image["digest"])],
        documents,
        {"kept": Digest.parse(signature["digest"])},
        cast("BlobSource", None),
    )


def test_the_root_gets_the_tag_and_others_keep_theirs(sent: SentImage) -> None:
    planned = sent.shipment(tag="2")
    assert {tag: one.digest for tag, one in planned.tags.items()} == {
        "kept": sent.tags["kept"],
        "2": sent.root.digest,
    }


def test_a_digest_has_to_be_that_of_the_root(sent: SentImage) -> None:
    assert list(sent.shipment(digest=sent.root.digest).tags) == ["kept"]
    with pytest.raises(InvalidInput, match="its digest is") as caught:
        sent.shipment(digest=Digest.of(b"other"))
    assert str(sent.root.digest) in caught.value.message
