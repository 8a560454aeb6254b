"""The re-encoding of images: it makes new blobs, and new manifests that name the originals."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, final

import zstandard

from exporter.options import Layers
from exporter.selection.holdings import Holdings
from exporter.selection.json_documents import compact, descriptor_of, parse_editable
from exporter.selection.roots import SavedRoot
from exporter.selection.scopes import WHOLE_STORE
from store.catalog import content
from store.files.os_errors import translated
from store.formats.image.layout_names import ATTESTED
from store.formats.image.manifests import Document, Kind
from store.formats.image.media_types import (
    DOCKER_LAYER_GZIP,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    is_foreign_layer,
)
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.selection.graph import SavedGraph
    from exporter.selection.scopes import Scope
    from store.content.reader import Reader
    from store.formats.image.manifests import Link
    from store.model.contents import Sources, StoredEncoding
    from store.model.digests import DiffID

ORIGINAL: Final = "dev.storectl.original.digest"
"""The annotation of a manifest with re-encoded layers: the digest of the original manifest."""

_TYPES: Final = {Layers.PLAIN: OCI_LAYER, Layers.GZIP: OCI_LAYER_GZIP, Layers.ZSTD: OCI_LAYER_ZSTD}
_GZIP_LEVEL: Final = 6
_ZSTD_LEVEL: Final = 3


@final
@dataclass(slots=True)
class _Work:
    """The inputs of a re-encoding, and its results so far."""

    plain: Mapping[Digest, Sources]
    reader: Reader
    folder: Path
    how: Layers
    graph: SavedGraph
    documents: dict[Digest, Document] = field(default_factory=dict)
    sources: dict[Digest, Sources] = field(default_factory=dict)
    made: dict[Digest, tuple[bytes | Path, int]] = field(default_factory=dict)
    encoded: dict[Digest, DiffID] = field(default_factory=dict)
    known: dict[DiffID, tuple[Digest, int]] = field(default_factory=dict)


def layer_sources(
    graph: SavedGraph, connection: Connection, scopes: Iterable[Scope] = (WHOLE_STORE,)
) -> dict[Digest, Sources]:
    """Return the sources of every layer's plain form and stored encodings, for `reencode`.

    A layer that another client has encoded is left out if it is outside the scopes: its bytes, and
    that it is stored, are not for everybody.

    Args:
        graph: The images to re-encode.
        connection: A read transaction.
        scopes: The content that the save may use.
    """
    diffs = content.sources(
        connection, {diff.digest for config in graph.configs.values() for diff in config.diff_ids}
    )
    stored = {one.digest for sources in diffs.values() for one in sources.encodings}
    holdings = Holdings(connection)
    usable = {digest for scope in scopes for digest in scope.held(holdings, stored)}
    diffs = {
        digest: replace(
            sources,
            encodings=tuple(
                one for one in sources.encodings if one.is_ours or one.digest in usable
            ),
        )
        for digest, sources in diffs.items()
    }
    return (
        content.sources(
            connection, {encoding.digest for one in diffs.values() for encoding in one.encodings}
        )
        | diffs
    )


def bytes_to_encode(graph: SavedGraph, how: Layers, plain: Mapping[Digest, Sources]) -> int:
    """Return how many bytes of plain layers `reencode` compresses.

    Args:
        graph: The images to re-encode.
        how: The encoding for the layers.
        plain: The result of `layer_sources`.
    """
    if how is Layers.PLAIN:
        return 0
    needed: dict[DiffID, int] = {}
    for digest, config in graph.configs.items():
        for link, diff in zip(graph.documents[digest].layers, config.diff_ids, strict=True):
            if _is_encoded(graph, link) and diff not in needed:
                sources = plain[diff.digest]
                needed[diff] = 0 if _fitting(sources, how, link) else sources.size_bytes
    return sum(needed.values())


def reencode(
    graph: SavedGraph, how: Layers, plain: Mapping[Digest, Sources], reader: Reader, folder: Path
) -> SavedGraph:
    """Return the images of ``graph`` with all layers in the encoding ``how``.

    Args:
        graph: The images to re-encode.
        how: The encoding for the layers.
        plain: The result of `layer_sources`.
        reader: Reads the plain layers.
        folder: The folder for compressed layers; the caller removes it after the save.

    Raises:
        DamagedContent: The bytes of a stored layer do not have its digest.
        ContentMissing: A file of the store is missing.
        StorageFull: ``folder`` has no space left.
    """
    work = _Work(plain, reader, folder, how, graph)
    renamed: dict[Digest, Document] = {}
    for digest, document in graph.documents.items():
        new = (
            _manifest(work, document)
            if digest in graph.configs
            else _index(work, document, renamed)
            if document.kind is Kind.INDEX
            else document
        )
        renamed[digest] = new
        work.documents[new.digest] = new
        if new is not document:
            work.made[new.digest] = (new.data, len(new.data))
        for link in new.links:
            if link.digest in graph.sources and not link.is_document:
                work.sources[link.digest] = graph.sources[link.digest]
    work.sources |= {
        digest: graph.sources[digest] for digest in work.documents if digest in graph.sources
    }
    notes = list(graph.notes)
    subjects = {
        document.subject.digest
        for document in graph.documents.values()
        if document.subject is not None
    }
    if any(renamed[digest].digest != digest for digest in subjects & set(renamed)):
        notes.append(
            "signatures and other referrers name the digests that manifests had before re-encoding"
        )
    return replace(
        graph,
        roots=tuple(SavedRoot(renamed[root.digest].digest, root.tags) for root in graph.roots),
        documents=work.documents,
        configs={renamed[digest].digest: config for digest, config in graph.configs.items()},
        sources=work.sources,
        made=work.made,
        encoded=work.encoded,
        notes=tuple(notes),
    )


def _manifest(work: _Work, document: Document) -> Document:
    config = work.graph.configs[document.digest]
    data = parse_editable(document.data, f"{document.kind} {document.digest}")
    layers: list[dict[str, Any]] = data.get("layers") or []
    changed = False
    for layer, link, diff in zip(layers, document.layers, config.diff_ids, strict=True):
        if not _is_encoded(work.graph, link):
            continue
        digest, size = _layer(work, link, diff)
        if digest != link.digest:
            changed = True
            layer.pop("data", None)
            layer.pop("urls", None)
        # The media type is set even if the layer's bytes stay: it may have been wrong, and an OCI
        # manifest has no Docker media types.
        layer.update(mediaType=_TYPES[work.how], digest=str(digest), size=size)
    if not changed:
        return document
    if document.media_type == DOCKER_MANIFEST:
        _as_oci_or_docker(data, layers, work.how)
    data["annotations"] = {**(data.get("annotations") or {}), ORIGINAL: str(document.digest)}
    return Document.parse(compact(data))


def _is_encoded(graph: SavedGraph, link: Link) -> bool:
    # A foreign layer is the file at its URLs, so its bytes cannot change.
    return link.digest in graph.sources and not is_foreign_layer(link.target.media_type)


def _as_oci_or_docker(data: dict[str, Any], layers: list[dict[str, Any]], how: Layers) -> None:
    """Give the manifest Docker's media type for gzip layers, or else the media types of OCI."""
    if how is Layers.GZIP:
        for layer in layers:
            if layer["mediaType"] == OCI_LAYER_GZIP:
                layer["mediaType"] = DOCKER_LAYER_GZIP
        return
    data["mediaType"] = OCI_MANIFEST
    data["config"]["mediaType"] = OCI_CONFIG


def _index(work: _Work, document: Document, renamed: dict[Digest, Document]) -> Document:
    data = parse_editable(document.data, f"{document.kind} {document.digest}")
    changed = False
    names = {str(old): str(new.digest) for old, new in renamed.items()}
    for entry, link in zip(data.get("manifests") or [], document.children, strict=True):
        new = renamed.get(link.digest)
        if new is not None and new.digest != link.digest:
            entry.update(descriptor_of(new))
            changed = True
        annotations = entry.get("annotations") or {}
        if annotations.get(ATTESTED) in names:
            annotations[ATTESTED] = names[annotations[ATTESTED]]
    if not changed:
        return document
    if document.media_type == DOCKER_LIST and work.how is not Layers.GZIP:
        data["mediaType"] = OCI_INDEX
    data["annotations"] = {**(data.get("annotations") or {}), ORIGINAL: str(document.digest)}
    return Document.parse(compact(data))


def _layer(work: _Work, link: Link, diff: DiffID) -> tuple[Digest, int]:
    """Return digest and size of the encoded layer; make the layer if the store does not have it."""
    if diff not in work.known:
        work.known[diff] = _found(work, link, diff) or _compressed(work, diff)
    return work.known[diff]


def _found(work: _Work, link: Link, diff: DiffID) -> tuple[Digest, int] | None:
    plain = work.plain[diff.digest]
    if work.how is Layers.PLAIN:
        work.sources[diff.digest] = plain
        return diff.digest, plain.size_bytes
    fitting = _fitting(plain, work.how, link)
    if fitting is None:
        return None
    work.sources[fitting.digest] = work.plain[fitting.digest]
    return fitting.digest, fitting.size_bytes


def _fitting(plain: Sources, how: Layers, link: Link) -> StoredEncoding | None:
    """Return the stored encoding of a layer that an image can use; None if there is none."""
    return min(
        # An encoding that was never checked is given only to an image that lists it itself.
        (
            one
            for one in plain.encodings
            if one.codec == how.value and (one.is_proven or one.digest == link.digest)
        ),
        key=lambda one: (one.digest != link.digest, not one.is_ours, one.digest),
        default=None,
    )


def _compressed(work: _Work, diff: DiffID) -> tuple[Digest, int]:
    path = work.folder / f"layer-{diff.digest.hex}.{work.how}"
    hashed = hashlib.sha256(usedforsecurity=False)
    size = 0
    compressor = (
        zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
        if work.how is Layers.GZIP
        else zstandard.ZstdCompressor(
            level=_ZSTD_LEVEL, write_checksum=True, threads=1
        ).compressobj()
    )
    pieces = work.reader.chunks(work.plain[diff.digest])
    with translated(path), path.open("xb") as file:
        # Write piece by piece, because a layer can be too large for memory.
        for piece in chain(pieces, (None,)):
            data = compressor.flush() if piece is None else compressor.compress(piece)
            hashed.update(data)
            size += len(data)
            file.write(data)
    digest = Digest("sha256", hashed.hexdigest())
    work.made[digest] = (path, size)
    # Not what the manifest says: it may list these bytes for another diff too.
    work.encoded[digest] = diff
    return digest, size
