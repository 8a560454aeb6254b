"""The save in the formats that keep manifests: docker (as Docker ≥ 25 writes it) and oci."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, final

from exporter.options import Format
from exporter.planning.plan import PlannedSave
from exporter.selection import graph
from exporter.selection.roots import resolve_roots
from exporter.selection.scopes import WHOLE_STORE, scope_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.planning.plan import Plan
    from exporter.selection.document_reader import DocumentReader
    from exporter.selection.graph import SavedGraph
    from exporter.selection.scopes import Scope
    from store.content.reader import Reader
    from store.model.contents import Sources
    from store.model.digests import Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class GraphSave:
    """Selected manifests and everything below them, to be saved in the format docker or oci.

    Attributes:
        graph: The manifests and everything below them.
        options: The format, the platforms and the encoding of the layers.
        layers: The plain form and the stored encodings of every layer, by digest. Empty if layers
            keep their stored encoding.
        scopes: The content that the save may use.
    """

    graph: SavedGraph
    options: SaveOptions
    layers: Mapping[Digest, Sources] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = (WHOLE_STORE,)

    @classmethod
    def select(
        cls,
        connection: Connection,
        names: Sequence[str],
        options: SaveOptions,
        reader: DocumentReader,
    ) -> Self:
        """Return the save of the manifests that ``names`` name.

        Args:
            connection: A read transaction.
            names: Tags, repositories, digests, image IDs and prefixes of image IDs.
            options: The platforms, the referrers and the encoding of layers to save.
            reader: Reads manifests, indexes and configs.

        Raises:
            ImageNotFound: No stored image has the ID or name.
            ReferenceNotFound: The store has no such tag or digest.
            AmbiguousName: A prefix fits several image IDs.
            InvalidReference: A name is not a valid reference.
            IncompleteImage: Content that the manifests name is not in the store.
            InvalidInput: No image of an index is for the platforms.
            DamagedContent: The bytes of a stored manifest, index or config do not have its digest.
            TooLarge: The archive would exceed the ceilings of ``reader``.
        """
        roots = resolve_roots(connection, names, reader, options.may_read)
        found = graph.load(connection, roots, options, reader)
        scopes = tuple(
            dict.fromkeys(scope_of(root.repositories, options.may_read) for root in roots)
        )
        if options.layers is None:
            return cls(found, options, scopes=scopes)
        from exporter.selection.reencoding import layer_sources

        return cls(found, options, layer_sources(found, connection, scopes), scopes)

    def needs(self) -> set[Digest]:
        """Return the digests that must not be collected while the save runs."""
        return self.graph.needs() | set(self.layers)

    def decoded_manifests(self) -> list[Digest]:
        """Return the manifests whose layers are decoded: those with layers to re-encode."""
        return [] if self.options.layers is None else list(self.graph.configs)

    def undecoded_manifests(self) -> dict[Digest, str]:
        """Return the manifests of images that are saved as they are, with a name for each."""
        if self.options.layers is not None:
            return {}
        names = {root.digest: root.name for root in self.graph.roots if root.tags}
        return {
            digest: f"{names[digest]} ({digest})" if digest in names else str(digest)
            for digest in self.graph.configs
        }

    def decoded_images(self) -> list[ImageID]:
        """Return no images: all images are saved by their manifests."""
        return []

    def bytes_to_encode(self) -> int:
        """Return how many bytes of plain layers `encoded` compresses."""
        if self.options.layers is None:
            return 0
        from exporter.selection.reencoding import bytes_to_encode

        return bytes_to_encode(self.graph, self.options.layers, self.layers)

    def encoded(self, reader: Reader, folder: Path) -> Self:
        """Return the save with its layers encoded as the options say.

        Args:
            reader: Reads the plain layers. Keep no transaction open: compressing takes long.
            folder: The folder for compressed layers; the caller removes it after the save.

        Raises:
            DamagedContent: The bytes of a stored layer do not have its digest.
            ContentMissing: A file of the store is missing.
            StorageFull: ``folder`` has no space left.
        """
        if self.options.layers is None:
            return self
        from exporter.selection.reencoding import reencode

        return replace(
            self, graph=reencode(self.graph, self.options.layers, self.layers, reader, folder)
        )

    def plan(self, connection: Connection, reader: DocumentReader) -> PlannedSave:
        """Plan the archive.

        Args:
            connection: A read transaction.
            reader: Reads manifests, indexes and configs.
        """
        saved = self.graph
        targets = (
            saved.configs[root.digest].image_id if root.digest in saved.configs else root.digest
            for root in saved.roots
        )
        return PlannedSave(
            self.options.format,
            self._archive(connection, reader),
            tuple(dict.fromkeys(config.image_id for config in saved.configs.values())),
            tuple(map(str, targets)),
            tuple(saved.sources.values()),
            saved,
        )

    def _archive(self, connection: Connection, reader: DocumentReader) -> Plan:
        if self.options.format is Format.OCI:
            from exporter.planning import oci

            return oci.plan(self.graph)
        from exporter.planning import docker
        from exporter.selection.docker_facts import docker_facts

        facts = docker_facts(connection, self.graph, reader.check, self.scopes)
        return docker.plan(self.graph, self.options, facts, reader.check)
