"""The manifests and indexes that a save reads, and walks over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.scopes import WHOLE_STORE, Scope, usable_sources
from store.catalog import content
from store.formats.image.described_image import NotAnImage, claims_image, described_image
from store.formats.image.graph_walk import bottom_up, levels, too_many_nodes
from store.model.contents import ContentState
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from exporter.selection.document_reader import DocumentReader
    from exporter.selection.roots import SavedRoot
    from store.formats.image.config import ImageConfig
    from store.formats.image.described_image import ParsedConfig
    from store.formats.image.manifests import Document, Link
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.limits import Limits


@final
@dataclass(slots=True)
class Loading:
    """The documents that a save has read so far, and the means to read more documents.

    Attributes:
        connection: A read transaction.
        reader: Reads the documents.
        scope: The content that the save may use; other documents are not read.
        documents: The documents read so far, by digest.
        limits: Ceilings for the documents, and for their depth and number.
    """

    connection: Connection
    reader: DocumentReader
    scope: Scope = WHOLE_STORE
    documents: dict[Digest, Document] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    _configs: dict[Digest, Sources | None] = field(default_factory=dict)

    def descend(self, digests: Iterable[Digest]) -> None:
        """Read ``digests`` and every stored document below them, a level at a time.

        Args:
            digests: Digests of manifests and indexes; a document that is not stored is skipped.

        Raises:
            DamagedContent: The bytes of a stored manifest, index or config do not have its digest.
            TooLarge: The documents are nested too deep, or there are too many documents.
        """
        fresh = [digest for digest in dict.fromkeys(digests) if digest not in self.documents]
        for _ in levels(fresh, self._read_level, self.limits):
            if len(self.documents) > self.limits.graph_nodes:
                raise too_many_nodes(self.limits)

    def _read_level(self, digests: Collection[Digest]) -> list[Digest]:
        """Read the documents of one level; return the unread documents that they list."""
        types = self.scope.manifests(self.connection, digests)
        self.reader.require_small(self.connection, types)
        sources = content.sources(self.connection, types)
        below: dict[Digest, None] = {}
        for digest, media_type in types.items():
            document = self.reader.manifest(sources[digest], media_type, self.limits)
            self.documents[digest] = document
            below.update(
                dict.fromkeys(link.digest for link in document.children if link.is_document)
            )
        return [digest for digest in below if digest not in self.documents]

    def below(self, *digests: Digest, known: Collection[Digest] = ()) -> set[Digest]:
        """Return ``digests`` and every document below them that was read.

        Args:
            digests: Digests of documents. Documents that were not read are left out.
            known: Documents that are left out, with everything that only they lead to.
        """
        seen: set[Digest] = set()
        todo = list(digests)
        while todo:
            current = todo.pop()
            if current in self.documents and current not in seen and current not in known:
                seen.add(current)
                todo.extend(link.digest for link in self.documents[current].children)
        return seen

    def config(self, document: Document) -> ImageConfig | None:
        """Return the config of a manifest, or None if the manifest does not describe an image."""
        config = described_image(document, self.limits, self._read_config)
        return None if isinstance(config, NotAnImage) else config

    def _read_config(self, link: Link) -> ParsedConfig:
        if link.digest not in self._configs:
            self._find_configs(link.digest)
        sources = self._configs[link.digest]
        if sources is None or sources.state is not ContentState.PRESENT:
            return NotAnImage("the store does not have its config")
        return self.reader.config(sources)

    def _find_configs(self, wanted: Digest) -> None:
        """Find a config, and those of all documents read, by few statements."""
        digests = {
            wanted,
            *(
                one.config.digest
                for one in self.documents.values()
                if one.config is not None and claims_image(one)
            ),
        } - self._configs.keys()
        self.reader.require_small(self.connection, digests)
        found = usable_sources(self.connection, self.scope, digests)
        self._configs.update((digest, found.get(digest)) for digest in digests)

    def platform(self, document: Document) -> Platform | None:
        """Return the platform in a manifest's config, or None if there is no image config."""
        config = self.config(document)
        return None if config is None else platform_of(config)


def platform_of(config: ImageConfig) -> Platform:
    """Return the platform that a config names."""
    return Platform.of(config.os or "linux", config.architecture, config.variant, config.os_version)


def sort_documents(
    documents: Mapping[Digest, Document], roots: Iterable[SavedRoot]
) -> dict[Digest, Document]:
    """Return the documents in an order in which a document follows those that it points at.

    Args:
        documents: The manifests and indexes, by digest.
        roots: The roots. Their order decides the order of documents that do not depend on each
            other.
    """

    def below(digest: Digest) -> Iterator[Digest]:
        return (link.digest for link in documents[digest].children if link.digest in documents)

    starts = (*(root.digest for root in roots if root.digest in documents), *documents)
    return {digest: documents[digest] for digest in bottom_up(starts, below)}
