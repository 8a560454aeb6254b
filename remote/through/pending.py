"""Manifests that were served and are not published yet, because some of their blobs are not here.

They are served by their digests. When all blobs of a manifest are here, it is published together
with the index that led to it, and with the tag that led to the index.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

from remote.pulling.documents import PulledRoot, RemoteImage
from store.formats.image.manifests import Kind
from store.model.digests import Descriptor
from store.model.limits import MIB
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.formats.image.manifests import Document
    from store.model.digests import Digest
    from store.model.references import Repository

MAX_DOCUMENTS: Final = 4096
"""The most manifests that one process keeps; the oldest one is fetched again if a client asks."""

MAX_BYTES: Final = 64 * MIB
"""The most bytes of manifests that one process keeps."""

_MAX_DEPTH: Final = 8
"""How many indexes are looked for above a manifest."""


@final
class Pending:
    """The manifests that were served and are not published yet.

    Args:
        max_documents: The most manifests that are kept.
        max_bytes: The most bytes of manifests that are kept.
    """

    def __init__(self, max_documents: int = MAX_DOCUMENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_documents = max_documents
        self._max_bytes = max_bytes
        self._bytes = 0
        self._documents: OrderedDict[tuple[Repository, Digest], Document] = OrderedDict()
        self._tags: dict[tuple[Repository, Digest], str] = {}

    def add(self, repository: Repository, document: Document, tag: str | None = None) -> None:
        """Keep a manifest or index.

        Args:
            repository: The repository that was asked for it.
            document: The manifest or index.
            tag: The tag that was asked for; None for a digest.
        """
        key = (repository, document.digest)
        if key not in self._documents:
            self._bytes += len(document.data)
            self._documents[key] = document
        self._documents.move_to_end(key)
        if tag is not None:
            self._tags[key] = tag
        while len(self._documents) > self._max_documents or (
            self._bytes > self._max_bytes and len(self._documents) > 1
        ):
            self._remove(next(iter(self._documents)))

    def find(self, repository: Repository, digest: Digest) -> Document | None:
        """Return a manifest or index that the repository was asked for; None if it is not kept."""
        return self._documents.get((repository, digest))

    def remove(self, repository: Repository, digest: Digest) -> None:
        """Forget a manifest that was published. An index stays: it may lead to other manifests."""
        found = self.find(repository, digest)
        if found is not None and found.kind is not Kind.INDEX:
            self._remove((repository, digest))

    def blob(self, repository: Repository, digest: Digest) -> Descriptor | None:
        """Return what a manifest states about a blob; None if no manifest lists the blob."""
        for document in self._manifests(repository):
            for link in document.links:
                if link.digest == digest:
                    return link.target
        return None

    def images(self, repository: Repository, blob: Digest | None = None) -> list[RemoteImage]:
        """Return the images that can be published when their blobs are here.

        Args:
            repository: The repository of the images.
            blob: A blob that the images need; None for all images.
        """
        return [
            self._image(repository, document)
            for document in self._manifests(repository)
            if blob is None or any(link.digest == blob for link in document.links)
        ]

    def _manifests(self, repository: Repository) -> Iterator[Document]:
        for (one, _), document in self._documents.items():
            if one == repository and document.kind is not Kind.INDEX:
                yield document

    def _image(self, repository: Repository, manifest: Document) -> RemoteImage:
        top, above = manifest, [manifest]
        while len(above) < _MAX_DEPTH and (repository, top.digest) not in self._tags:
            parent = self._parent(repository, top)
            if parent is None or parent in above:
                break
            top = parent
            above.append(parent)
        tag = self._tags.get((repository, top.digest))
        name = Reference(repository, tag) if tag else Reference(repository, digest=top.digest)
        image = RemoteImage(name, [PulledRoot(_descriptor(top), name)])
        for document in above:
            image.documents[document.digest] = document.data
        for link in manifest.links:
            if link.data is None:
                (image.foreign if link.urls else image.blobs).setdefault(link.digest, link.target)
        return image

    def _parent(self, repository: Repository, child: Document) -> Document | None:
        for (one, _), document in reversed(self._documents.items()):
            if (
                one == repository
                and document.kind is Kind.INDEX
                and any(link.digest == child.digest for link in document.children)
            ):
                return document
        return None

    def _remove(self, key: tuple[Repository, Digest]) -> None:
        self._bytes -= len(self._documents.pop(key).data)
        self._tags.pop(key, None)


def _descriptor(document: Document) -> Descriptor:
    return Descriptor(document.media_type, document.digest, len(document.data))
