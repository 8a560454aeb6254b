"""What repositories may serve of an import whose manifests nobody vouches for.

A manifest can list any digest. An import that an operator starts gives its names all that the
manifests list and the store has. One that a client of a server causes gives them what it brought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content, serving
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from store.db.types import ContentKey, RepositoryKey
    from store.formats.archives.claims import Graph
    from store.formats.image.manifests import Link


def hold_brought(
    connection: Connection, graph: Graph, documents: Mapping[Digest, ContentKey]
) -> Collection[RepositoryKey]:
    """Let the repositories of a graph's names serve its documents, and the blobs that these list.

    Blobs with URLs are left out: nobody has fetched them. So are documents that an index lists and
    the graph does not have.

    Args:
        connection: An open write transaction.
        graph: The documents. Their source has each blob that they list.
        documents: The row numbers of the documents.

    Returns:
        The row numbers of the repositories.
    """
    names = {Reference.parse(text).repository for root in graph.roots for text in root.names}
    repositories = serving.ensure_repositories(connection, names).values()
    listed = {
        link.digest
        for document in graph.documents.values()
        for link in document.links
        if not link.is_document and not link.urls and _is_true(link)
    }
    blobs = content.find(connection, listed).values()
    keys = {row.key for row in blobs if row.state is ContentState.PRESENT}
    for repository in repositories:
        serving.hold_pushed(connection, repository, sorted(keys.union(documents.values())))
    return repositories


def _is_true(link: Link) -> bool:
    """Return whether a link that carries the bytes of its target carries the right ones."""
    return link.data is None or Digest.of(link.data, link.digest.algorithm) == link.digest
