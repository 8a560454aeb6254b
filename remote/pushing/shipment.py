"""What one repository receives: blobs, then documents with children first, then tags.

Everything here is computed from documents in memory. Nothing is read or sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from exporter.selection.json_documents import parse_editable
from store.errors import InvalidDocument, TooLarge, printable
from store.formats.distribution.referrers import fallback_tag
from store.formats.image.graph_walk import bottom_up
from store.formats.image.manifests import Kind
from store.formats.image.media_types import is_foreign_layer
from store.model.limits import DEFAULT_LIMITS
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from store.formats.image.manifests import Document, Link
    from store.model.digests import Descriptor, Digest
    from store.model.limits import Limits


@final
@dataclass(frozen=True, slots=True)
class Shipment:
    """The content that one repository receives, in the order in which it is sent.

    Attributes:
        blobs: The blobs, each digest once.
        embedded: The bytes of those blobs that a descriptor carries in itself, by digest.
        levels: The documents. Each document is in a later level than its children and its subject,
            so the documents of one level can be sent in any order.
        tags: The document that each tag names. Tags are sent after all documents.
        listings: Descriptors of referrers, by the digest of the manifest that they refer to. They
            come from lists in tags, and their manifests may have no subject.
        notes: Notes for the user, one sentence each.
    """

    blobs: Mapping[Digest, Descriptor]
    embedded: Mapping[Digest, bytes]
    levels: tuple[tuple[Document, ...], ...]
    tags: Mapping[str, Document]
    listings: Mapping[Digest, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def documents(self) -> Iterator[Document]:
        """The documents, children first."""
        for level in self.levels:
            yield from level


def shipment(
    documents: Mapping[Digest, Document],
    tags: Mapping[str, Digest],
    *,
    with_foreign_layers: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Shipment:
    """Plan what a repository receives.

    Args:
        documents: The manifests and indexes to send, by digest.
        tags: The digest that each tag names. A tag that lists the referrers of one of the
            documents is not sent: the receiver has a list of its own, to which its entries are
            added.
        with_foreign_layers: Whether to send layers that readers download from elsewhere.
        limits: ``graph_nodes`` bounds the blobs.

    Raises:
        InvalidDocument: Two descriptors state different sizes of one blob.
        TooLarge: There are more blobs than the limit allows.
    """
    named, listings = _without_lists(documents, tags)
    lists = {tags[tag] for tag in tags.keys() - named.keys()} - set(named.values())
    inner = {link.digest for one in documents.values() for link in one.children}
    sent = {
        digest: one for digest, one in documents.items() if digest not in lists or digest in inner
    }
    blobs: dict[Digest, Descriptor] = {}
    embedded: dict[Digest, bytes] = {}
    notes: dict[str, None] = {}
    for document in sent.values():
        for link in document.links:
            if link.is_document:
                continue
            if not with_foreign_layers and link.urls and is_foreign_layer(link.target.media_type):
                notes[_not_sent(link)] = None
                continue
            known = blobs.setdefault(link.digest, link.target)
            if known.size_bytes != link.target.size_bytes:
                raise InvalidDocument(
                    f"{link.role} {link.position} has {link.target.size_bytes} bytes, but another"
                    f" descriptor of {link.digest} says {known.size_bytes}",
                    document=f"{document.kind} {document.digest}",
                )
            if link.data is not None:
                embedded[link.digest] = link.data
        if len(blobs) > limits.graph_nodes:
            raise TooLarge(
                f"the manifests list more than {limits.graph_nodes} blobs",
                limit=limits.graph_nodes,
            )
    return Shipment(
        blobs,
        embedded,
        _levels(sent),
        {tag: documents[digest] for tag, digest in named.items()},
        listings,
        tuple(Note(one, Remedy.SEND_FOREIGN_LAYERS) for one in notes),
    )


def _not_sent(link: Link) -> str:
    return (
        f"the foreign layer {link.digest} is not sent: readers download it from"
        f" {', '.join(map(printable, link.urls))}"
    )


def _without_lists(
    documents: Mapping[Digest, Document], tags: Mapping[str, Digest]
) -> tuple[dict[str, Digest], dict[Digest, tuple[Mapping[str, Any], ...]]]:
    """Split off the tags that list referrers; return the other tags, and the listed descriptors."""
    subjects = {fallback_tag(digest): digest for digest in documents}
    named: dict[str, Digest] = {}
    listings: dict[Digest, tuple[Mapping[str, Any], ...]] = {}
    for tag, digest in tags.items():
        if tag in subjects and documents[digest].kind is Kind.INDEX:
            listings[subjects[tag]] = listed(documents[digest])
        else:
            named[tag] = digest
    return named, listings


def listed(index: Document) -> tuple[Mapping[str, Any], ...]:
    """Return the descriptors in an index, with all of their members.

    Args:
        index: The index.

    Raises:
        InvalidDocument: Python cannot write its JSON again.
    """
    document = parse_editable(index.data, f"index {index.digest}")
    return tuple(document.get("manifests") or ())


def _levels(documents: Mapping[Digest, Document]) -> tuple[tuple[Document, ...], ...]:
    """Return the documents in levels: each after its children and its subject."""

    def below(digest: Digest) -> Iterator[Digest]:
        return (one for one in _needed(documents[digest]) if one in documents)

    height: dict[Digest, int] = {}
    for digest in bottom_up(documents, below):
        height[digest] = 1 + max((height.get(one, -1) for one in below(digest)), default=-1)
    levels: list[list[Document]] = [[] for _ in range(max(height.values(), default=-1) + 1)]
    for digest, level in height.items():
        levels[level].append(documents[digest])
    return tuple(map(tuple, levels))


def _needed(document: Document) -> Collection[Digest]:
    children = dict.fromkeys(link.digest for link in document.children)
    if document.subject is not None:
        children[document.subject.digest] = None
    return children
