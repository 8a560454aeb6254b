"""Graphs of indexes: a walk and a planned archive take as many steps as the graph has links.

The input describes a graph. The first three bytes choose the options and the ceilings, and each
further pair of bytes adds a link from a document to an earlier one, or gives it a subject. Many
links may lead to one document, so that the paths through the graph are far more than its links.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from exporter.options import Format, SaveOptions
from exporter.planning import docker, oci
from exporter.selection.docker_facts import docker_facts
from exporter.selection.document_reader import DocumentReader
from exporter.selection.graph import load
from exporter.selection.holdings import Holdings
from exporter.selection.loading import Loading
from exporter.selection.platforms import choose_image
from exporter.selection.roots import SavedRoot
from store.catalog import content, manifests
from store.catalog.documents import put_documents
from store.errors import StoreError
from store.formats.image.graph_walk import bottom_up, levels, links_below
from store.formats.image.manifests import Document
from store.formats.image.media_types import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import ArchiveLimits, Limits
from store.model.platforms import Platform
from tests.support.catalog_rows import empty_catalog
from tests.support.images import A, config
from tests.support.pumping import quickly

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Connection

    from store.model.contents import Sources

MAX_BYTES: Final = 160
_HEAD_BYTES: Final = 3
_NODES: Final = 40
_IMAGES: Final = 3
"""The first documents are images, each for a platform of its own; the others are indexes."""

_PLATFORMS: Final = ("amd64", "arm64", "s390x")
_STEPS: Final = 40
"""How often a save may look for its client, for each document and link of the graph."""


def _links(*pairs: tuple[int, int]) -> bytes:
    return bytes(byte for pair in pairs for byte in pair)


_DOUBLED: Final = _links(*((node, node - 1) for node in range(_IMAGES, 36) for _ in range(2)))
SEEDS: Final = (
    b"\0\0\0" + _links((3, 0), (3, 1), (3, 2)),
    b"\1\0\0" + _DOUBLED,
    b"\2\1\0" + _DOUBLED,
    b"\3\2\1" + _DOUBLED[:40],
    b"\4\0\2" + _links((3, 0), (4, 3), (4, 3), (5, 4), (5, 0), (6, 5), (6, 6)),
    b"\5\3\0" + _links((3, 0), (4, 0x80 | 3), (5, 0x80 | 4), (6, 0x80 | 5), (6, 1)),
    b"\x0a\0\5" + _links(*((node, low) for node in range(3, 12) for low in range(node))),
    b"\x15\4\x1f" + _links((3, 0x40), (4, 3), (4, 0x41), (5, 4)),
)
TOKENS: Final = (b"\x03\x00", b"\x04\x03\x04\x03", b"\x05\x04\x05\x04", b"\x06\x85", b"\x27\x26")
_OPEN: Final = ExitStack()


class _Graph:
    """The documents of an input, and the number of their links."""

    def __init__(self, data: bytes) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.documents: list[Document] = []
        self.by_digest: dict[Digest, Document] = {}
        children: dict[int, list[int]] = {}
        subjects: dict[int, int] = {}
        for at in range(0, len(data) - 1, 2):
            node, other = data[at] % _NODES, data[at + 1]
            if other & 0x80:
                subjects[node] = other & 0x3F
            else:
                children.setdefault(node, []).append(other)
        for node in range(_IMAGES):
            self._add_image(node)
        for node in range(_IMAGES, max([_IMAGES, *(one + 1 for one in children)])):
            self._add_index(node, children.get(node, ()), subjects.get(node))
        self.links = sum(len(one.links) + (one.subject is not None) for one in self.documents)

    def _add_image(self, node: int) -> None:
        described = config(A, architecture=_PLATFORMS[node])
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._blob(OCI_CONFIG, described),
            "layers": [self._blob(OCI_LAYER, A)],
        }
        self._document(manifest)

    def _add_index(self, node: int, children: Iterable[int], subject: int | None) -> None:
        index: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [self._descriptor(one, node) for one in children],
            "annotations": {"node": str(node)},
        }
        if subject is not None:
            index["subject"] = self._descriptor(subject, node)
        self._document(index)

    def _blob(self, media_type: str, data: bytes) -> dict[str, Any]:
        digest = Digest.of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": str(digest), "size": len(data)}

    def _descriptor(self, number: int, below: int) -> dict[str, Any]:
        known = number % below if number & 0x40 == 0 else None
        if known is not None and known < len(self.documents):
            one = self.documents[known]
            descriptor = {"mediaType": one.media_type, "digest": str(one.digest)}
            return descriptor | {"size": len(one.data)}
        absent = Digest.of(str(number).encode())
        return {"mediaType": OCI_MANIFEST, "digest": str(absent), "size": 7}

    def _document(self, members: Mapping[str, Any]) -> None:
        document = Document.parse(json.dumps(members).encode())
        self.documents.append(document)
        self.by_digest[document.digest] = document

    def store(self, connection: Connection) -> None:
        """Write the rows of all documents and blobs."""
        data = self.blobs | {one.digest: one.data for one in self.documents}
        keys = put_documents(connection, data)
        subjects = {
            one.subject.digest: one.subject.size_bytes
            for one in self.documents
            if one.subject is not None
        }
        known = content.ensure_all(connection, subjects, ContentState.ABSENT) | keys
        manifests.add(
            connection,
            [
                manifests.NewManifest(
                    keys[one.digest],
                    one.kind.value,
                    one.media_type,
                    "",
                    None,
                    None if one.subject is None else known[one.subject.digest],
                    (),
                )
                for one in self.documents
            ],
        )


def check(data: bytes) -> None:
    """Walk over a graph, and plan an archive of it."""
    how, ceiling, platform = data[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")
    graph = _Graph(data[_HEAD_BYTES:])
    _walk(graph)
    connection = _catalog()
    try:
        graph.store(connection)
        quickly(_plan, connection, graph, how, ceiling, platform)
    finally:
        connection.rollback()


@cache
def _catalog() -> Connection:
    """Return the connection of all inputs; to make the schema takes longer than to plan."""
    connection = _OPEN.enter_context(empty_catalog())
    connection.commit()
    return connection


def _walk(graph: _Graph) -> None:
    below: Counter[Digest] = Counter()

    def children(digest: Digest) -> list[Digest]:
        below[digest] += 1
        return [one.digest for one in graph.by_digest[digest].children if one.digest in stored]

    stored = graph.by_digest
    order = list(bottom_up(stored, children))
    assert Counter(order) == Counter(list(stored))
    assert set(below.values()) <= {1}
    place = {digest: number for number, digest in enumerate(order)}
    assert all(place[one] < place[node] for node in order for one in children(node))
    top = graph.documents[-1]

    def level(some: Collection[Digest]) -> list[Digest]:
        return [one for digest in some for one in children(digest)]

    below.clear()
    with suppress(StoreError):
        found = list(levels([top.digest], level))
        assert len(found) == len(set(found))
        assert set(below.values()) <= {1}
        assert set(found) == {top.digest} | {
            link.digest for link in links_below(top, stored, lambda link: link.digest in stored)
        }
    links = list(links_below(top, stored, lambda _: True))
    assert len(links) <= sum(len(one.children) for one in graph.documents)


def _plan(connection: Connection, graph: _Graph, how: int, ceiling: int, platform: int) -> None:
    reads: Counter[Digest] = Counter()
    checks = 0

    def read(sources: Sources) -> bytes:
        reads[sources.digest] += 1
        assert sources.inline is not None
        return sources.inline

    def note() -> None:
        nonlocal checks
        checks += 1
        assert checks <= _STEPS * (len(graph.documents) + graph.links + 1)

    ceilings = ArchiveLimits(
        images=1 + ceiling % 4 if ceiling & 1 else 1000,
        manifests=1 + ceiling % 32 if ceiling & 2 else 1000,
        document_bytes=2000 if ceiling & 4 else 1 << 20,
    )
    reader = DocumentReader(read, check=note, ceilings=ceilings)
    wanted = [
        Platform("linux", name) for number, name in enumerate(_PLATFORMS) if platform >> number & 1
    ]
    options = SaveOptions(
        (Format.OCI, Format.DOCKER)[how & 1],
        tuple(wanted),
        sparse=bool(how & 2),
        referrers=bool(how & 4),
    )
    roots = [SavedRoot(one.digest) for one in graph.documents[-1 - (how >> 3) % 4 :]]
    with suppress(StoreError):
        saved = load(connection, roots, options, reader)
        assert set(saved.documents) <= set(graph.by_digest)
        assert len(saved.documents) <= ceilings.manifests
        plan = (
            oci.plan(saved)
            if options.format is Format.OCI
            else docker.plan(saved, options, docker_facts(connection, saved, note), note)
        )
        paths = [entry.path for entry in plan.entries]
        assert len(paths) == len(set(paths))
    with suppress(StoreError):
        loading = Loading(Holdings(connection), reader, limits=Limits(graph_depth=8 + how))
        loading.descend(root.digest for root in roots)
        chosen, _ = choose_image(loading, roots[-1].digest, options, "name")
        assert chosen.digest in loading.documents
    assert max(reads.values(), default=0) <= 1
