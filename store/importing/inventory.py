"""What an import brings, for its report: the manifests, and the blobs that were new and held."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.catalog import content, manifests, references
from store.formats.image.deterministic import deterministic_manifest
from store.formats.image.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from store.importing.report import Inventory
from store.model.digests import Descriptor, Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.formats.archives.claims import ArchiveClaim, ImageClaim


@final
class InventoryReader:
    """Reads, in the transaction of an import, what the import brings.

    Make it before the first change of the transaction.

    Args:
        connection: The write transaction.
        claim: The chosen part of the archive, with its final names.
    """

    def __init__(self, connection: Connection, claim: ArchiveClaim) -> None:
        self._connection = connection
        self._graph = claim.graph
        self._images = [one for one in claim.images if one.listed and not one.described]
        held = set(self._graph.below(*(root.digest for root in self._graph.roots)))
        self._roots = [
            root for root in self._graph.roots if self._graph.subject_of(root) not in held
        ]
        self._blobs = self._stated()
        self._held = content.present(connection, self._blobs)
        self._tags = self._named()

    def read(self) -> Inventory:
        """Return what the store has now. Call this after all changes."""
        tags, found = self._named(), content.find(self._connection, self._blobs)
        present = content.present(self._connection, self._blobs)
        blobs = [
            Descriptor(media_type, digest, found[digest].size_bytes or 0)
            for digest, media_type in self._blobs.items()
            if digest in present
        ]
        return Inventory(
            tuple(self._manifests()),
            tuple(one for one in blobs if one.digest not in self._held),
            tuple(one for one in blobs if one.digest in self._held),
            tags,
            tuple(name for name, digest in tags.items() if self._tags.get(name) != digest),
        )

    def _named(self) -> dict[Reference, Digest]:
        """Return what the names of the archive's images name in the store."""
        texts = [text for root in self._roots for text in root.names]
        texts += [text for image in self._images for text in image.tags]
        names = dict.fromkeys(map(Reference.parse, texts))
        found = references.get_all(
            self._connection, (name for name in names if name.digest is None)
        )
        return {name: found[name].digest for name in names if name in found}

    def _stated(self) -> dict[Digest, str]:
        """Return the media type of each blob that the archive's images list, by digest."""
        blobs: dict[Digest, str] = {}
        for document in self._graph.documents.values():
            for link in document.links:
                if not link.is_document and link.digest not in self._graph.faults:
                    blobs.setdefault(link.digest, link.target.media_type)
        for image in self._images:
            blobs.setdefault(image.config.image_id.digest, OCI_CONFIG)
            for diff in image.config.diff_ids:
                blobs.setdefault(diff.digest, OCI_LAYER)
        return blobs

    def _manifests(self) -> list[Descriptor]:
        documents = [self._graph.documents[root.digest] for root in self._roots]
        return [
            *(Descriptor(one.media_type, one.digest, len(one.data)) for one in documents),
            *(self._manifest_of(image) for image in self._images),
        ]

    def _manifest_of(self, image: ImageClaim) -> Descriptor:
        """Return the manifest that the names of an image without a manifest point at."""
        names = (Reference.parse(text) for text in image.tags)
        targets = references.get_all(self._connection, (one for one in names if one.tag))
        for target in targets.values():
            types = manifests.media_types(self._connection, (target.digest,))
            size = content.find(self._connection, (target.digest,))[target.digest].size_bytes
            return Descriptor(types.get(target.digest, OCI_MANIFEST), target.digest, size or 0)
        diffs = [diff.digest for diff in image.config.diff_ids]
        sizes = content.find(self._connection, diffs)
        data = deterministic_manifest(
            image.config, [sizes[digest].size_bytes or 0 for digest in diffs]
        )
        return Descriptor(OCI_MANIFEST, Digest.of(data), len(data))
