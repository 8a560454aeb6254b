"""The manifests and indexes that a save reads, and walks over them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

from exporter.selection.scopes import WHOLE_STORE, Scope, look_up, usable_sources
from store.formats.image.described_image import NotAnImage, claims_image, described_image
from store.formats.image.graph_walk import bottom_up, levels, too_many_nodes
from store.model.contents import ContentState
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from exporter.selection.document_reader import DocumentReader
    from exporter.selection.holdings import Holdings
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
        holdings: The answers of a read transaction.
        reader: Reads the documents.
        scope: The content that the save may use; other documents are not read.
        documents: The documents read so far, by digest.
        limits: Ceilings for the documents, and for their depth and number.
    """

    holdings: Holdings
    reader: DocumentReader
    scope: Scope = WHOLE_STORE
    documents: dict[Digest, Document] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    _configs: dict[Digest, Sources | None] = field(default_factory=dict)

    @property
    def connection(self) -> Connection:
        """The read transaction."""
        return self.holdings.connection

    def descend(self, digests: Iterable[Digest]) -> None:
        """Read ``digests`` and every stored document below them, a level at a time.

        Args:
            digests: Digests of manifests and indexes; a document that is not stored is skipped.

        Raises:
            DamagedContent: The bytes of a stored manifest, index or config do not have its digest.
            TooLarge: The documents are nested too deep, or there are too many documents.
        """
        descend_together([(self, digests)])

    def read_level(self, types: Mapping[Digest, str]) -> list[Digest]:
        """Read the documents of one level; return the unread documents that they list.

        Args:
            types: The media type of each document, by digest.
        """
        sources = self.holdings.sources(types)
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
        config = described_image(document, self.limits.json_bytes, self._read_config)
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
        digests = {wanted, *configs_of(self.documents.values())} - self._configs.keys()
        self.reader.require_small(self.connection, digests)
        found = usable_sources(self.holdings, self.scope, digests)
        self._configs.update((digest, found.get(digest)) for digest in digests)

    def platform(self, document: Document) -> Platform | None:
        """Return the platform in a manifest's config, or None if there is no image config."""
        config = self.config(document)
        return None if config is None else platform_of(config)


def descend_together(starts: Sequence[tuple[Loading, Iterable[Digest]]]) -> None:
    """Read documents and everything below them in several scopes, a level of all scopes at a time.

    Args:
        starts: The digests of manifests and indexes to read in each scope; a document that is not
            stored is skipped. All scopes have the same holdings and reader.

    Raises:
        DamagedContent: The bytes of a stored manifest, index or config do not have its digest.
        TooLarge: The documents of a scope are nested too deep, or there are too many documents.
    """
    if not starts:
        return
    loadings = [loading for loading, _ in starts]
    holdings, reader, limits = loadings[0].holdings, loadings[0].reader, loadings[0].limits
    seen = [0] * len(loadings)

    def read(nodes: Iterable[tuple[int, Digest]]) -> Iterator[tuple[int, Digest]]:
        """Read one level; yield the unread documents that it lists, with the scope's position."""
        level: dict[int, list[Digest]] = {}
        for at, digest in nodes:
            level.setdefault(at, []).append(digest)
        look_up(holdings, [(loadings[at].scope, digests) for at, digests in level.items()])
        types = {at: loadings[at].scope.manifests(holdings, level[at]) for at in level}
        found = {digest for of_scope in types.values() for digest in of_scope}
        reader.require_small(holdings.connection, found)
        holdings.sources(found)
        for at, digests in level.items():
            seen[at] += len(digests)
            if seen[at] > limits.graph_nodes:
                raise too_many_nodes(limits)
            for below in loadings[at].read_level(types[at]):
                yield at, below

    fresh = [
        (at, digest)
        for at, (loading, digests) in enumerate(starts)
        for digest in digests
        if digest not in loading.documents
    ]
    together = replace(limits, graph_nodes=limits.graph_nodes * len(loadings))
    for _ in levels(fresh, read, together):
        pass
    if any(len(loading.documents) > limits.graph_nodes for loading in loadings):
        raise too_many_nodes(limits)


def look_up_configs(loadings: Iterable[Loading]) -> None:
    """Ask in advance for the configs of all documents that were read, in several scopes at once.

    Raises:
        TooLarge: The configs are larger than the ceilings of the reader allow.
    """
    wanted = [(loading, configs_of(loading.documents.values())) for loading in loadings]
    if not wanted:
        return
    holdings, reader = wanted[0][0].holdings, wanted[0][0].reader
    look_up(holdings, [(loading.scope, digests) for loading, digests in wanted])
    found = {
        digest for loading, digests in wanted for digest in loading.scope.held(holdings, digests)
    }
    reader.require_small(holdings.connection, found)
    holdings.sources(found)


def configs_of(documents: Iterable[Document]) -> set[Digest]:
    """Return the configs of those documents that describe images."""
    return {one.config.digest for one in documents if one.config is not None and claims_image(one)}


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
