"""The plan of an archive in the format docker, as Docker ≥ 25 writes it.

The archive is an OCI layout with ``manifest.json`` and ``repositories`` (docker-archive.md §9).

Images that were imported without a manifest are written as in Docker 28. Images that were imported
with a manifest keep that manifest, and ``manifest.json`` points at the same blobs.

Source: moby v28, ``image/tarexport/save.go``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

from exporter.planning import layout, oci
from exporter.planning.plan import Plan
from exporter.planning.v1_layers import v1_layers_28
from exporter.selection.document_reader import keep_going
from exporter.selection.loading import platform_of
from store.errors import InvalidDocument
from store.formats.archives.docker_manifest import LayerSource
from store.formats.golang.json_writing import quote, write_object
from store.formats.image.docker_28_config import read_v1_image_28
from store.formats.image.graph_walk import links_below
from store.formats.image.layout_names import ATTESTED
from store.formats.image.manifests import Kind
from store.formats.image.media_types import OCI_LAYER
from store.model.digests import ChainID, Digest
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.options import SaveOptions
    from exporter.planning.plan import Entry
    from exporter.planning.v1_layers import V1Layer
    from exporter.selection.docker_facts import DockerFacts
    from exporter.selection.document_reader import Check
    from exporter.selection.graph import SavedGraph
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document
    from store.model.digests import DiffID, ImageID
    from store.model.platforms import Platform
    from store.model.references import Reference


def plan(
    graph: SavedGraph,
    options: SaveOptions,
    facts: DockerFacts,
    check: Check = keep_going,
) -> Plan:
    """Plan the archive.

    Args:
        graph: The manifests to save.
        options: The platforms that select the one image of an index that ``manifest.json`` lists.
        facts: Facts about the images that their manifests do not state.
        check: Called before each image; an exception that it raises ends the planning.
    """
    blobs = _Blobs(oci.blob_files(graph))
    listed, notes = _listed(graph, options)
    included = {graph.configs[digest].image_id for digest in listed}
    items: list[bytes] = []
    repositories: dict[str, dict[str, bytes]] = {}
    for digest, tags in listed.items():
        check()
        document, config = graph.documents[digest], graph.configs[digest]
        if digest in facts.generated and config.diff_ids:
            blobs.add_image(config)
        else:
            blobs.folder_mtime_s = 0
        items.append(
            _item(
                document,
                config,
                tuple(tags),
                facts.parents.get(config.image_id),
                included,
                facts.foreign.get(config.image_id, {}),
            )
        )
        for tag in tags if config.diff_ids else ():
            repositories.setdefault(tag.repository.familiar, {})[tag.tag or ""] = quote(
                config.diff_ids[-1].digest.hex
            )
    manifest = (b"[" + b",".join(items) + b"]" if items else b"null") + b"\n"
    # Docker gives every image its bare tag here, even if another image has the same one.
    index = oci.index(graph, shared_tags=frozenset())
    entries = [
        *layout.blobs(blobs.files, blobs.folder_mtime_s),
        layout.file("index.json", index, len(index)),
        layout.file("manifest.json", manifest, len(manifest)),
        layout.file("oci-layout", layout.LAYOUT_FILE, len(layout.LAYOUT_FILE)),
    ]
    if repositories:
        data = (
            write_object({name: write_object(tags) for name, tags in repositories.items()}) + b"\n"
        )
        entries.append(layout.file("repositories", data, len(data)))
    if any(
        link.target.media_type.endswith("+zstd")
        for digest in listed
        for link in graph.documents[digest].layers
    ):
        notes.append(
            Note(
                "some layers are compressed with zstd, which Docker before version 23 cannot read",
                Remedy.RECOMPRESS_AS_GZIP,
            )
        )
    return Plan(tuple(entries), (*graph.notes, *notes), owner="")


def _listed(
    graph: SavedGraph, options: SaveOptions
) -> tuple[dict[Digest, dict[Reference, None]], list[str]]:
    """Return the manifests that ``manifest.json`` lists, with their tags, and notes for the user.

    ``manifest.json`` lists one image of an index.
    """
    listed: dict[Digest, dict[Reference, None]] = {}
    notes: list[str] = []
    for root in graph.roots:
        offers = _images(graph, root.digest)
        if not offers:
            continue
        position = (
            0
            if graph.documents[root.digest].kind is Kind.MANIFEST
            else options.choose(platform for _, platform in offers)
        )
        if position is None:
            notes.append(
                f"{root.name} has no image for {options.machine}: Docker before version 25 cannot"
                " load it"
            )
            continue
        listed.setdefault(offers[position][0], {}).update(dict.fromkeys(root.tags))
    return listed, notes


def _images(graph: SavedGraph, digest: Digest) -> list[tuple[Digest, Platform | None]]:
    document = graph.documents.get(digest)
    if document is None:
        return []
    below = (
        (digest,)
        if document.kind is Kind.MANIFEST
        # Each nested index counts once: if a walk followed every link to it, the work would double
        # with each level.
        else dict.fromkeys(
            link.digest
            for link in links_below(
                document, graph.documents, lambda link: ATTESTED not in link.annotations
            )
        )
    )
    return [(one, platform_of(graph.configs[one])) for one in below if one in graph.configs]


@final
@dataclass(slots=True)
class _Blobs:
    """The files below ``blobs``, dated as if Docker had written one image after the other.

    A file has the time of the image that it was first written for, and ``blobs`` has the time of
    the last image. Manifests and the folder of each algorithm are dated 1970-01-01. Docker intends
    this date for the folder as well, but leaves the folder with the time of the save.
    """

    files: dict[Digest, Entry]
    folder_mtime_s: int = 0
    _dated: set[Digest] = field(default_factory=set)
    _v1_ids: set[str] = field(default_factory=set)

    def add_image(self, config: ImageConfig) -> None:
        """Date the image's config and layers, and add its v1 documents as unreferenced blobs."""
        try:
            image = read_v1_image_28(config.data, document=str(config.image_id))
        except InvalidDocument:
            # Docker 20.10 loads this config and Docker 28 does not. So Docker 28 has no v1
            # documents for it.
            self.folder_mtime_s = config.created.mtime()
        else:
            self.folder_mtime_s = image.created.mtime() if image.created is not None else 0
            self._add_v1_documents(v1_layers_28(image, ChainID.each(config.diff_ids)))
        for digest in (*(diff.digest for diff in config.diff_ids), config.image_id.digest):
            self._date(digest)

    def _add_v1_documents(self, layers: tuple[V1Layer, ...]) -> None:
        for layer in layers:
            if layer.v1_id not in self._v1_ids:
                self._v1_ids.add(layer.v1_id)
                digest = Digest.of(layer.json)
                self.files[digest] = layout.file(
                    layout.blob_path(digest), layer.json, len(layer.json)
                )
                self._date(digest)

    def _date(self, digest: Digest) -> None:
        if digest in self.files and digest not in self._dated:
            self._dated.add(digest)
            self.files[digest] = replace(self.files[digest], mtime_s=self.folder_mtime_s)


def _item(
    document: Document,
    config: ImageConfig,
    tags: tuple[Reference, ...],
    parent: ImageID | None,
    included: set[ImageID],
    foreign: Mapping[Digest, bytes],
) -> bytes:
    members = [
        b'"Config":' + quote(layout.blob_path(config.image_id.digest)),
        b'"RepoTags":'
        + (b"[" + b",".join(quote(tag.familiar) for tag in tags) + b"]" if tags else b"null"),
        b'"Layers":['
        + b",".join(quote(layout.blob_path(link.digest)) for link in document.layers)
        + b"]",
    ]
    if parent is not None and parent in included and parent != config.image_id:
        members.append(b'"Parent":' + quote(str(parent)))
    sources = _sources(document, config.diff_ids, foreign)
    if sources:
        members.append(b'"LayerSources":' + write_object(sources))
    return b"{" + b",".join(members) + b"}"


def _sources(
    document: Document, diffs: tuple[DiffID, ...], foreign: Mapping[Digest, bytes]
) -> dict[str, bytes]:
    """Return a descriptor for every distinct layer; descriptors of foreign layers have URLs.

    Args:
        document: The image's manifest.
        diffs: The diff IDs of its layers.
        foreign: Recorded descriptors of foreign layers, for layers without URLs in the manifest.
    """
    links = dict(zip(diffs, document.layers, strict=True))
    # A manifest may list a layer again, with and without URLs.
    links |= {diff: link for diff, link in zip(diffs, document.layers, strict=True) if link.urls}
    found: dict[str, bytes] = {}
    for diff, link in links.items():
        # Docker leaves out a size of zero here, but not in manifests.
        own = LayerSource(
            link.target.media_type or OCI_LAYER,
            link.target.size_bytes,
            str(link.digest),
            tuple(link.urls),
        )
        listed = None if link.urls else foreign.get(diff.digest)
        found[str(diff)] = listed or own.encode()
    return found
