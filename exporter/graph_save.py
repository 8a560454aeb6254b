"""A save in a format with manifests: docker (as Docker ≥ 25 writes) or oci."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, final

from exporter.options import Format
from exporter.planning.plan import PlannedSave
from exporter.selection import graph
from exporter.selection.roots import resolve_roots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.planning.plan import Plan
    from exporter.selection.graph import SavedGraph
    from exporter.selection.loading import Read
    from store.content.reader import Reader
    from store.model.contents import Sources
    from store.model.digests import Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class GraphSave:
    """Selected manifests and everything below them, to be saved in the format docker or oci.

    Attributes:
        graph: The manifests and everything below them.
        options: The options of the save.
        layers: The plain form and the stored encodings of every layer, by digest; empty unless
            layers are to be re-encoded.
    """

    graph: SavedGraph
    options: SaveOptions
    layers: Mapping[Digest, Sources] = field(default_factory=dict)

    @classmethod
    def select(
        cls, connection: Connection, names: Sequence[str], options: SaveOptions, read: Read
    ) -> Self:
        """Return the save of the manifests that ``names`` name.

        Args:
            connection: A read transaction.
            names: Tags, repositories, digests, image IDs and prefixes of image IDs.
            options: They choose platforms, referrers and the encoding of layers.
            read: Returns the bytes of a small content.

        Raises:
            ImageNotFound: No image has that ID or name.
            ReferenceNotFound: No such tag or digest.
            AmbiguousName: A prefix fits several image IDs.
            InvalidReference: A name is not a valid reference.
            IncompleteImage: A content that the manifests name is not in the store.
            InvalidInput: No image is for the platforms.
            DamagedContent: A stored document does not have its digest.
        """
        found = graph.load(connection, resolve_roots(connection, names), options, read)
        if options.layers is None:
            return cls(found, options)
        from exporter.selection.reencoding import layer_sources

        return cls(found, options, layer_sources(found, connection))

    def needs(self) -> set[Digest]:
        """Return the digests that must not be collected while the save runs."""
        return self.graph.needs() | set(self.layers)

    def decoded_images(self) -> set[ImageID]:
        """Return the images whose layers are decoded: all if layers are re-encoded, else none."""
        return set() if self.options.layers is None else self.graph.image_ids()

    def contents(self) -> list[Sources]:
        """Return every stored content that the archive is made from."""
        if self.options.layers is None:
            return list(self.graph.sources.values())
        from exporter.selection.reencoding import origins

        return origins(self.graph, self.layers)

    def encoded(self, reader: Reader, folder: Path) -> Self:
        """Return the save with its layers encoded as the options say.

        Args:
            reader: Reads the plain layers. No transaction may be open: compressing takes long.
            folder: Where compressed layers are kept until the save is done.

        Raises:
            DamagedContent: A stored layer does not have its digest.
            ContentMissing: A file of the store is missing.
            StorageFull: ``folder`` has no space left.
        """
        if self.options.layers is None:
            return self
        from exporter.selection.reencoding import reencode

        return replace(
            self, graph=reencode(self.graph, self.options.layers, self.layers, reader, folder)
        )

    def plan(self, connection: Connection, read: Read) -> PlannedSave:  # noqa: ARG002 - as `LegacySave`
        """Plan the archive.

        Args:
            connection: A read transaction.
            read: Returns the bytes of a small content.
        """
        saved = self.graph
        targets = (
            saved.configs[root.digest].image_id if root.digest in saved.configs else root.digest
            for root in saved.roots
        )
        return PlannedSave(
            self.options.format,
            self._archive(connection),
            tuple(dict.fromkeys(config.image_id for config in saved.configs.values())),
            tuple(map(str, targets)),
            tuple(saved.sources.values()),
            saved,
        )

    def _archive(self, connection: Connection) -> Plan:
        if self.options.format is Format.OCI:
            from exporter.planning import oci

            return oci.plan(self.graph)
        from exporter.planning import docker
        from exporter.selection.docker_facts import docker_facts

        return docker.plan(self.graph, self.options, docker_facts(connection, self.graph))
