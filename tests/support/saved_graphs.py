"""Graphs of manifests made from a `Layout`, and the entries of plans, without a store or a disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exporter.selection.graph import SavedGraph
from exporter.selection.roots import SavedRoot
from store.formats.image.config import ImageConfig
from store.formats.image.described_image import claims_image
from store.formats.image.manifests import Document
from store.model.contents import ContentState, Sources
from store.model.digests import Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from exporter.planning.plan import Entry, Plan
    from tests.support.layouts import Descriptor, Layout


def inline(digest: Digest, data: bytes) -> Sources:
    """Return the sources of content whose bytes are in the database."""
    return Sources(digest, len(data), ContentState.PRESENT, data, in_file=False, encodings=())


def graph_of(
    layout: Layout,
    *roots: tuple[Descriptor, tuple[str, ...]],
    made: dict[Digest, tuple[bytes, int]] | None = None,
) -> SavedGraph:
    """Return all blobs of ``layout`` as a graph; each root has its tags."""
    documents: dict[Digest, Document] = {}
    configs: dict[Digest, ImageConfig] = {}
    sources: dict[Digest, Sources] = {}
    for name, data in layout.blobs.items():
        digest = Digest.parse(name)
        sources[digest] = inline(digest, data)
        if b'"schemaVersion"' in data:
            document = documents[digest] = Document.parse(data, digest=digest)
            if document.config is not None and claims_image(document):
                configs[digest] = ImageConfig.parse(
                    layout.blobs[str(document.config.digest)], digest=document.config.digest
                )
    saved = tuple(
        SavedRoot(Digest.parse(root["digest"]), tuple(Reference.parse(name) for name in names))
        for root, names in roots
    )
    return SavedGraph(saved, documents, configs, sources, made=made or {})


def entry(plan: Plan, path: str) -> Entry:
    """Return the only member with this path."""
    (found,) = (candidate for candidate in plan.entries if candidate.path == path)
    return found


def document(plan: Plan, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of a member that the planner made."""
    source = entry(plan, path).source
    assert isinstance(source, bytes)
    return json.loads(source)
