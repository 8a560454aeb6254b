"""The plan of an archive in the format oci (OCI image-spec 1.1, image-layout.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.planning import layout
from exporter.planning.plan import Plan

if TYPE_CHECKING:
    from exporter.planning.plan import Entry
    from exporter.selection.graph import SavedGraph
    from store.model.digests import Digest


def blob_files(graph: SavedGraph) -> dict[Digest, Entry]:
    """Return an archive entry for every blob of ``graph``, by the blob's digest.

    A blob is stored content, or was made for this archive.
    """
    files = {
        digest: layout.file(layout.blob_path(digest), sources, sources.size_bytes)
        for digest, sources in graph.sources.items()
    }
    return files | {
        digest: layout.file(layout.blob_path(digest), made, size)
        for digest, (made, size) in graph.made.items()
    }


def index(graph: SavedGraph, shared_tags: frozenset[str] | None = None) -> bytes:
    """Return the ``index.json`` of a layout that holds only ``graph``.

    Args:
        graph: The manifests of the archive.
        shared_tags: Tags to write with their repository. If None, these are the tags that occur in
            several repositories.
    """
    shared = (
        layout.tags_of_several(tag for root in graph.roots for tag in root.tags)
        if shared_tags is None
        else shared_tags
    )
    return layout.index(
        [one for root in graph.roots for one in layout.descriptors(root, graph.documents, shared)]
    )


def plan(graph: SavedGraph) -> Plan:
    """Plan a tar archive with an image layout."""
    listed = index(graph)
    files = [
        layout.file("index.json", listed, len(listed)),
        layout.file("oci-layout", layout.LAYOUT_FILE, len(layout.LAYOUT_FILE)),
    ]
    return Plan((*layout.blobs(blob_files(graph)), *files), graph.notes, owner="")
