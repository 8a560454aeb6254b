"""What an archive claims: values only.

Nothing here has been checked against bytes of layers yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document, Link
    from store.model.digests import DiffID, Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class ImageClaim:
    """One image that an archive's ``manifest.json`` (or its folders, before Docker 1.10) says it holds.

    ``layers`` are paths inside the archive, base first, one for each diff ID of the config (None:
    the archive says nothing). ``tags`` are as written. ``sources`` are descriptors of foreign
    layers, as JSON bytes. ``listed`` is False for an image that exists only because another one is
    built on it. ``described`` is True when a manifest of the archive describes the image: then that
    manifest brings its layers and names.
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
    """A manifest or index that an archive lists at its top.

    ``names`` are full references with a tag; ``bare`` are tags that came without a repository.
    """

    digest: Digest
    names: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Graph:
    """Manifests and indexes of an archive, what describes what.

    ``documents`` has everything reachable from ``roots`` that is here or in the store, what is
    pointed at before what points at it. ``configs`` are those of manifests that describe an image,
    by the manifest's digest.
    """

    roots: tuple[Root, ...] = ()
    documents: Mapping[Digest, Document] = field(default_factory=dict)
    configs: Mapping[Digest, ImageConfig] = field(default_factory=dict)

    def absent(self) -> tuple[tuple[Document, Link], ...]:
        """Every (index, link) whose manifest is neither in the archive nor in the store, each manifest once."""
        found: dict[Digest, tuple[Document, Link]] = {}
        for document in self.documents.values():
            for link in document.children:
                if link.digest not in self.documents and link.is_document:
                    found.setdefault(link.digest, (document, link))
        return tuple(found.values())

    def below(self, digest: Digest) -> Iterator[Digest]:
        """``digest`` and every document that it reaches downwards, each once."""
        seen = {digest}
        todo = [digest]
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
    """Everything an archive says it holds.

    ``digest`` is of the bytes that say so (index.json, manifest.json or repositories).
    """

    digest: Digest
    images: tuple[ImageClaim, ...]
    notes: tuple[str, ...] = ()
    graph: Graph = field(default_factory=Graph)
