"""An image on its way to another place: its documents, and the source of its blobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from remote.pushing.shipment import shipment
from store.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remote.pushing.shipment import Shipment
    from remote.pushing.sources import BlobSource
    from store.formats.image.manifests import Document
    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class SentImage:
    """The documents of an image, or of several images of one repository.

    Attributes:
        name: The image's name at its source, for messages.
        root: The manifest or index that gets the name at the receiver.
        documents: All documents, by digest.
        tags: The digests that keep a tag: the tags through which referrers are found, or all tags
            of a repository.
        source: The bytes of the blobs.
        notes: Notes for the user, one sentence each.
    """

    name: str
    root: Document
    documents: Mapping[Digest, Document]
    tags: Mapping[str, Digest]
    source: BlobSource
    notes: tuple[str, ...] = field(default=())

    def shipment(
        self, *, tag: str | None = None, digest: Digest | None = None, foreign_layers: bool = False
    ) -> Shipment:
        """Plan what the receiver gets.

        Args:
            tag: The tag that the image gets; None for none.
            digest: The digest that the image must have; None for any.
            foreign_layers: Whether to send layers that readers download from elsewhere.

        Raises:
            InvalidInput: The image has another digest.
        """
        if digest is not None and self.root.digest != digest:
            raise InvalidInput(
                f"cannot send {self.name} under the digest {digest}: its digest is"
                f" {self.root.digest}",
                hint="name the receiver with a tag, or with this digest",
            )
        tags = dict(self.tags)
        if tag is not None:
            tags[tag] = self.root.digest
        return shipment(self.documents, tags, with_foreign_layers=foreign_layers)
