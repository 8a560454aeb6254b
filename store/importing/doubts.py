"""The doubts of an import: images whose layers contradict their config, or were never decoded.

A registry takes such images, so an import takes them as well. They do not stop the other images of
the archive, and they are never called verified.

Nobody vouches for a manifest that a client of a server pulls through. It can list any digest, so
its repository gets only what was brought with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.catalog import content, serving
from store.errors import DiffMismatch, printable
from store.model.contents import ContentState, DiffState
from store.model.digests import Digest
from store.model.references import Reference
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from store.db.types import ContentKey, RepositoryKey
    from store.formats.archives.claims import Graph
    from store.formats.image.manifests import Link
    from store.importing.archive import ReadArchive
    from store.model.digests import ImageID

MAX_NOTES: Final = 10
"""The most manifests of one archive that notes name for one reason."""


def manifest_states(archive: ReadArchive) -> dict[Digest, DiffState]:
    """Return the state of each manifest of an image that was not verified, by digest.

    Args:
        archive: The archive, read and staged.
    """
    return dict.fromkeys(archive.undecoded, DiffState.UNVERIFIED) | dict.fromkeys(
        archive.mismatches, DiffState.MISMATCH
    )


def image_states(
    archive: ReadArchive, states: Mapping[Digest, DiffState]
) -> dict[ImageID, DiffState]:
    """Return the state of each image that was not verified.

    An image is verified if one of its manifests is, or if the archive lists its layers by diff ID.

    Args:
        archive: The archive, read and staged.
        states: The state of each manifest that was not verified, by digest.
    """
    found: dict[ImageID, DiffState] = {}
    verified = {claim.config.image_id for claim in archive.claim.images if not claim.described}
    for digest, config in archive.claim.graph.configs.items():
        state = states.get(digest)
        if state is None:
            verified.add(config.image_id)
        elif found.get(config.image_id) is not DiffState.UNVERIFIED:
            found[config.image_id] = state
    return {image_id: state for image_id, state in found.items() if image_id not in verified}


def require_no_mismatch(archive: ReadArchive) -> None:
    """Refuse an archive with a manifest whose layers are not those of its config.

    Args:
        archive: The archive, read and staged.

    Raises:
        DiffMismatch: There is such a manifest.
    """
    for digest, why in archive.mismatches.items():
        raise DiffMismatch(
            f"the layers of {_names(archive).get(digest, digest)} contradict its config: {why}",
            image_id=archive.claim.graph.configs[digest].image_id,
            hint="nothing was stored",
            remedy=Remedy.REBUILD_IMAGE,
        )


def mismatch_notes(archive: ReadArchive) -> list[str]:
    """Return a note for each manifest whose layers are not those of its config.

    Args:
        archive: The archive, read and staged.
    """
    names = _names(archive)
    odd = list(archive.mismatches.items())
    notes: list[str] = [
        Note(
            f"the layers of {names.get(digest, digest)} contradict its config: {why}",
            Remedy.REBUILD_IMAGE,
        )
        for digest, why in odd[:MAX_NOTES]
    ]
    if len(odd) > MAX_NOTES:
        notes.append(f"the layers of {len(odd) - MAX_NOTES} more images contradict their configs")
    return notes


def _names(archive: ReadArchive) -> dict[Digest, str]:
    """Return what messages call the manifests that have a name, by digest."""
    return {
        root.digest: f"{printable(root.names[0])} ({root.digest})"
        for root in archive.claim.graph.roots
        if root.names
    }


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
