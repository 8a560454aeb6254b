"""Images of the local store that are sent elsewhere.

They are planned like a save in the format oci: the same manifests and blobs, byte for byte.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from exporter.save import open_save
from exporter.selection.referrers import referrer_tags
from remote.pushing.image import SentImage
from remote.pushing.stored_source import StoredBlobs
from store.catalog import repositories
from store.catalog.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from exporter.selection.graph import SavedGraph
    from remote.pushing.choice import Choice
    from store import Store
    from store.model.digests import Digest
    from store.model.references import Repository

_ORIGINS: Final = 4
"""How many repositories that probably hold a blob are remembered for it."""


@contextmanager
def open_stored(
    store: Store,
    name: str,
    choice: Choice,
    *,
    jobs: int,
    every_tag: bool = False,
    receiver: Repository | None = None,
    receiver_name: str | None = None,
    before_encoding: Callable[[int], None] | None = None,
) -> Iterator[SentImage]:
    """Plan to send an image of the store, and protect its content until the block ends.

    Args:
        store: The store.
        name: The name of the image; that of a repository if ``every_tag``.
        choice: What of the image is sent.
        jobs: How many blobs are read at once.
        every_tag: Whether to send all images of a repository, with their tags.
        receiver: The repository that is to receive the image; None if it is not a registry's.
        receiver_name: The receiver, for the store's events; None to record no event.
        before_encoding: Called before layers are compressed, as by `exporter.save.open_save`.

    Yields:
        The image.

    Raises:
        StoreError: As `exporter.save.open_save`.
    """
    with open_save(
        store, (name,), options=choice.save_options, record=False, before_encoding=before_encoding
    ) as export:
        graph = export.graph
        assert graph is not None  # noqa: S101 - the format oci keeps manifests
        origins = {}
        if receiver is not None:
            blobs = {
                link.digest for document in graph.documents.values() for link in document.links
            }
            with store.read() as connection:
                holders = repositories.holders_of_all(connection, blobs)
            origins = _origins(holders, receiver)
        with StoredBlobs(store, graph, jobs=jobs, origins=origins) as source:
            yield SentImage(
                name,
                graph.documents[graph.roots[0].digest],
                graph.documents,
                kept_tags(graph, every_tag=every_tag),
                source,
                # The other notes are about an archive.
                export.doubts,
            )
        if receiver_name is not None:
            store.record(
                [
                    Event(store.now(), "save", str(root.digest), {"name": receiver_name})
                    for root in graph.roots
                ]
            )


def kept_tags(graph: SavedGraph, *, every_tag: bool) -> dict[str, Digest]:
    """Return the tags that stay the same at the receiver.

    Args:
        graph: The images and their referrers; the first root is the image that was named.
        every_tag: Whether all tags stay, and not only those through which referrers are found.
    """
    if every_tag:
        return {tag.tag: root.digest for root in graph.roots for tag in root.tags if tag.tag}
    # The tags of referrers contain the digest that they refer to, in any repository.
    referring = {tag for digest in graph.documents for tag in referrer_tags(digest)}
    return {
        tag.tag: root.digest
        for root in graph.roots[1:]
        for tag in root.tags
        if tag.tag is not None and tag.tag in referring
    }


def _origins(
    holders: Mapping[Digest, Sequence[str]], receiver: Repository
) -> dict[Digest, dict[str, Collection[str]]]:
    """Return the other repositories of the receiver's registry that may hold each blob.

    The store knows them because images were pulled from there, or pushed there.

    Args:
        holders: The names of the repositories that hold each blob in the store.
        receiver: The repository that is to receive the blobs.
    """
    registry, own = receiver.domain, str(receiver)
    start = f"{registry}/"
    return {
        digest: {
            registry: [
                name.removeprefix(start) for name in names if name.startswith(start) and name != own
            ][:_ORIGINS]
        }
        for digest, names in holders.items()
    }
