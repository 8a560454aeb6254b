"""Facts about images that Docker's archive format needs and that manifests do not state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.document_reader import keep_going
from exporter.selection.holdings import Holdings
from exporter.selection.scopes import WHOLE_STORE, usable_foreign_layers
from store.catalog import foreign_layers, images
from store.formats.image.deterministic import deterministic_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from exporter.selection.document_reader import Check
    from exporter.selection.graph import SavedGraph
    from exporter.selection.scopes import Scope
    from store.model.digests import Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class DockerFacts:
    """Facts about saved images, for ``manifest.json`` and for the dates of the archive's files.

    Attributes:
        generated: Digests of the manifests that the store made for images without a manifest.
        parents: The parent image of each image that was built on one.
        foreign: Descriptors of the foreign layers of each image as JSON bytes, by diff ID.
    """

    generated: frozenset[Digest] = frozenset()
    parents: Mapping[ImageID, ImageID] = field(default_factory=dict)
    foreign: Mapping[ImageID, Mapping[Digest, bytes]] = field(default_factory=dict)


def docker_facts(
    connection: Connection,
    graph: SavedGraph,
    check: Check = keep_going,
    scopes: Iterable[Scope] = (WHOLE_STORE,),
) -> DockerFacts:
    """Return the facts about the images of ``graph``.

    Args:
        connection: A read transaction.
        graph: The manifests to save.
        check: Called before each image; an exception that it raises ends the save.
        scopes: The content that the save may use.
    """
    configs = graph.configs.values()
    keys = images.keys_of(connection, {config.image_id for config in configs})
    known = images.parents_of(connection, keys.values())
    parents = {image_id: known[key] for image_id, key in keys.items() if key in known}
    foreign: dict[ImageID, dict[Digest, bytes]] = {image_id: {} for image_id in keys}
    listed = foreign_layers.foreign_sources(connection, keys.values())
    for scope in scopes if listed else ():
        usable = usable_foreign_layers(Holdings(connection), scope, listed)
        for image_id, key in keys.items():
            foreign[image_id] |= usable.get(key, {})
    return DockerFacts(generated_manifests(graph, check), parents, foreign)


def generated_manifests(graph: SavedGraph, check: Check = keep_going) -> frozenset[Digest]:
    """Return the digests of all manifests that look as if the store had generated them.

    Such a manifest is byte for byte the `deterministic_manifest` of its config and layer sizes.
    """
    found = []
    for digest, config in graph.configs.items():
        check()
        document = graph.documents[digest]
        sizes = [link.target.size_bytes for link in document.layers]
        if document.data == deterministic_manifest(config, sizes):
            found.append(digest)
    return frozenset(found)
