"""Data classes for claims: the images that an archive lists, with layers not checked yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.formats.image.config import ImageConfig
    from store.formats.image.described_image import NotAnImage
    from store.formats.image.manifests import Document, Link
    from store.model.digests import DiffID, Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class ImageClaim:
    """An image that an archive lists in ``manifest.json`` or, before Docker 1.10, as a folder.

    Attributes:
        config: The image's config.
        layers: Paths in the archive, base first, one for each diff ID of the config; None for a
            layer without a path.
        tags: The image's names, as written in the archive.
        parent: The image's parent in the archive; None if it has no parent there.
        sources: Descriptors of foreign layers as JSON bytes, by diff ID.
        listed: False for an image that the archive contains only as the parent of another image.
        described: Whether a manifest of the archive describes the image. If true, the layers and
            names come from that manifest.
    """

    config: ImageConfig
    layers: tuple[str | None, ...]
    tags: tuple[str, ...]
    parent: ImageID | None
    sources: Mapping[DiffID, bytes]
    listed: bool = True
    described: bool = False


@final
@dataclass(frozen=True, slots=True)
class Root:
    """A manifest or index that an archive lists in its ``index.json``.

    ``names`` are full references with a tag; ``bare`` are tags without a repository.
    """

    digest: Digest
    names: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Graph:
    """The manifests and indexes of an archive.

    Attributes:
        roots: The documents that ``index.json`` lists.
        documents: All documents at or below ``roots`` that the archive or the store has, by digest.
            A document comes after its children.
        configs: The configs of manifests that describe an image, by the manifest's digest.
        artifacts: Why each of the other documents does not describe an image, by digest.
    """

    roots: tuple[Root, ...] = ()
    documents: Mapping[Digest, Document] = field(default_factory=dict)
    configs: Mapping[Digest, ImageConfig] = field(default_factory=dict)
    artifacts: Mapping[Digest, NotAnImage] = field(default_factory=dict)

    def absent(self) -> tuple[tuple[Document, Link], ...]:
        """Return the manifests that are neither in the archive nor in the store.

        Returns:
            A pair for each manifest: an index that lists the manifest, and the link in the index.
        """
        found: dict[Digest, tuple[Document, Link]] = {}
        for document in self.documents.values():
            for link in document.children:
                if link.digest not in self.documents and link.is_document:
                    found.setdefault(link.digest, (document, link))
        return tuple(found.values())

    def below(self, *digests: Digest) -> Iterator[Digest]:
        """Yield ``digests`` and every document below them, each once."""
        todo = list(dict.fromkeys(digests))
        seen = set(todo)
        while todo:
            current = todo.pop()
            yield current
            if current in self.documents:
                for link in self.documents[current].children:
                    if link.digest in self.documents and link.digest not in seen:
                        seen.add(link.digest)
                        todo.append(link.digest)


@final
@dataclass(frozen=True, slots=True)
class ArchiveClaim:
    """The claims of one archive: its images, and its graph of manifests and indexes.

    ``digest`` is the digest of the file that lists the images: index.json, manifest.json or
    repositories.
    """

    digest: Digest
    images: tuple[ImageClaim, ...]
    notes: tuple[str, ...] = ()
    graph: Graph = field(default_factory=Graph)
