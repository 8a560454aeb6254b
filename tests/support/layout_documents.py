"""The manifests and indexes of a built layout, as the program reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.formats.image.manifests import Document
from store.formats.image.media_types import is_document
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.layouts import Descriptor, Layout


def documents_of(layout: Layout, *descriptors: Descriptor) -> dict[Digest, Document]:
    """Return the documents below some descriptors of a layout, by digest."""
    found: dict[Digest, Document] = {}
    waiting: list[Mapping[str, object]] = list(descriptors)
    while waiting:
        descriptor = waiting.pop()
        digest = Digest.parse(str(descriptor["digest"]))
        if digest in found or str(digest) not in layout.blobs:
            continue
        found[digest] = Document.parse(
            layout.blobs[str(digest)], digest=digest, media_type=str(descriptor["mediaType"])
        )
        waiting += [
            {"mediaType": link.target.media_type, "digest": str(link.digest)}
            for link in found[digest].children
            if is_document(link.target.media_type)
        ]
    return found
