"""The manifests of a save and everything below them, loaded as the options choose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.holdings import Holdings
from exporter.selection.loading import (
    Loading,
    descend_together,
    look_up_configs,
    sort_documents,
)
from exporter.selection.platforms import choose_roots
from exporter.selection.referrers import add_referrers
from exporter.selection.roots import SavedRoot
from exporter.selection.scopes import look_up, scope_of, usable_sources
from store.errors import IncompleteImage, printable
from store.formats.image.listed_types import wrong_types
from store.formats.image.media_types import is_foreign_layer
from store.model.contents import ContentState
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.selection.document_reader import DocumentReader
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document
    from store.model.contents import Sources
    from store.model.digests import DiffID, Digest, ImageID
    from store.model.references import Repository


@final
@dataclass(frozen=True, slots=True)
class SavedGraph:
    """The manifests and indexes of an archive, and everything below them.

    Attributes:
        roots: The manifests and indexes that the archive's index lists.
        documents: Every manifest and index by digest. A document comes after the documents it
            points at.
        configs: The configs of images, by the manifest's digest.
        sources: The stored forms of every blob, by digest. Blobs without an entry are left out of
            the archive.
        notes: Notes for the user about the archive, one sentence each.
        made: Blobs that were made for this archive, by digest: (bytes or file, size in bytes).
        encoded: The diff from which each made layer was encoded, by the digest of the made layer.
    """

    roots: tuple[SavedRoot, ...]
    documents: Mapping[Digest, Document]
    configs: Mapping[Digest, ImageConfig]
    sources: Mapping[Digest, Sources]
    notes: tuple[str, ...] = ()
    made: Mapping[Digest, tuple[bytes | Path, int]] = field(default_factory=dict)
    encoded: Mapping[Digest, DiffID] = field(default_factory=dict)

    def image_ids(self) -> set[ImageID]:
        """Return the IDs of the images in the archive."""
        return {config.image_id for config in self.configs.values()}

    def needs(self) -> set[Digest]:
        """Return the digests that must not be collected while the save runs."""
        stored = {
            encoding.digest for sources in self.sources.values() for encoding in sources.encodings
        }
        return {*self.documents, *self.sources, *stored}


def load(
    connection: Connection, roots: Sequence[SavedRoot], options: SaveOptions, reader: DocumentReader
) -> SavedGraph:
    """Return the content below ``roots`` that the options choose.

    Args:
        connection: A read transaction.
        roots: The manifests and indexes to save.
        options: The platforms and referrers to save.
        reader: Reads manifests, indexes and configs.

    Raises:
        IncompleteImage: Content that the manifests name is not in the store.
        InvalidDocument: An index states another media type of a manifest than the manifest has.
        InvalidInput: A root has no image for one of the platforms.
        DamagedContent: The bytes of a stored manifest, index or config do not have its digest.
        TooLarge: The archive would exceed the ceilings of ``reader``.
    """
    reader.require_images(len(roots))
    holdings = Holdings(connection)
    parts: dict[tuple[Repository, ...], _Part] = {}
    for root in roots:
        scope = scope_of(root.repositories, options.may_read)
        part = parts.setdefault(root.repositories, _Part(Loading(holdings, reader, scope)))
        part.roots.append(root)
    descend_together(
        [(part.loading, [root.digest for root in part.roots]) for part in parts.values()]
    )
    look_up_configs(part.loading for part in parts.values())
    notes: list[str] = []
    chosen = [
        one for root in roots for one in parts[root.repositories].choose(root, options, notes)
    ]
    for part in parts.values():
        part.add_referrers(options)
    wanted = {at: part.blobs() for at, part in parts.items()}
    look_up(holdings, [(part.loading.scope, wanted[at]) for at, part in parts.items()])
    reader.require_small(connection, set().union(*wanted.values()))
    holdings.sources(
        digest
        for at, part in parts.items()
        for digest in part.loading.scope.held(holdings, wanted[at])
    )
    for at, part in parts.items():
        part.complete(wanted[at], options)
        notes += part.notes
    saved = _merged([*chosen, *(root for part in parts.values() for root in part.chosen)])
    loaded = {
        digest: document
        for part in parts.values()
        for digest, document in part.loading.documents.items()
    }
    kept = {digest for part in parts.values() for digest in part.keep}
    documents = {
        digest: document
        for digest, document in sort_documents(loaded, saved).items()
        if digest in kept
    }
    for document in documents.values():
        children = [link for link in document.children if link.is_document]
        for _, error in wrong_types(children, documents, f"index {document.digest}"):
            raise error
    configs = {digest: config for part in parts.values() for digest, config in part.configs.items()}
    reader.require_images(len({config.image_id for config in configs.values()}))
    reader.require_layers(sum(len(document.layers) for document in documents.values()))
    return SavedGraph(
        tuple(saved),
        documents,
        configs,
        {digest: one for part in parts.values() for digest, one in part.sources.items()},
        tuple(notes),
    )


@final
@dataclass(slots=True)
class _Part:
    """The roots of a save that have one scope, and everything below them in this scope.

    Attributes:
        loading: The documents of the scope.
        roots: The roots that the user named.
        chosen: The roots that the archive lists in place of ``roots``.
        keep: The digests of the saved documents.
        sources: The stored forms of every blob, by digest.
        configs: The configs of images, by the manifest's digest.
        notes: Notes for the user about the archive, one sentence each.
    """

    loading: Loading
    roots: list[SavedRoot] = field(default_factory=list)
    chosen: list[SavedRoot] = field(default_factory=list)
    keep: set[Digest] = field(default_factory=set)
    sources: dict[Digest, Sources] = field(default_factory=dict)
    configs: dict[Digest, ImageConfig] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def choose(self, root: SavedRoot, options: SaveOptions, notes: list[str]) -> list[SavedRoot]:
        """Return the roots that the archive lists in place of one root (see `choose_roots`)."""
        found = choose_roots(self.loading, root, options, self.keep, notes)
        self.chosen += found
        return found

    def add_referrers(self, options: SaveOptions) -> None:
        """Add the referrers of all chosen documents, if the options choose them."""
        self.chosen = _merged(self.chosen)
        if options.referrers:
            self.chosen = add_referrers(self.loading, self.chosen, self.keep)

    def blobs(self) -> set[Digest]:
        """Return the digests of all chosen documents and of the blobs that they list."""
        documents = {
            digest: document
            for digest, document in self.loading.documents.items()
            if digest in self.keep
        }
        return {
            link.digest
            for document in documents.values()
            for link in document.links
            if not link.is_document
        } | set(documents)

    def complete(self, wanted: Iterable[Digest], options: SaveOptions) -> None:
        """Find the blobs of all chosen documents.

        Args:
            wanted: The result of `blobs`.
            options: Whether an index may list images that are not in the archive.
        """
        loading = self.loading
        documents = {
            digest: document
            for digest, document in sort_documents(loading.documents, self.chosen).items()
            if digest in self.keep
        }
        self.sources = {
            digest: one
            for digest, one in usable_sources(loading.holdings, loading.scope, wanted).items()
            if one.state is not ContentState.ABSENT
        }
        self.notes += _require_closed(documents, self.sources, sparse=options.sparse)
        self.configs = {
            digest: config
            for digest, document in documents.items()
            if (config := loading.config(document)) is not None
        }


def _merged(roots: Sequence[SavedRoot]) -> list[SavedRoot]:
    """Return each root once, with all of its tags: two indexes may contain the same manifest."""
    found: dict[Digest, SavedRoot] = {}
    for root in roots:
        known = found.get(root.digest, SavedRoot(root.digest))
        found[root.digest] = SavedRoot(
            root.digest,
            tuple(dict.fromkeys((*known.tags, *root.tags))),
            tuple(dict.fromkeys((*known.repositories, *root.repositories))),
            tuple(dict.fromkeys((*known.pinned, *root.pinned))),
        )
    return list(found.values())


def _require_closed(
    documents: Mapping[Digest, Document], sources: Mapping[Digest, Sources], *, sparse: bool
) -> list[str]:
    """Check that nothing is missing; return notes on foreign layers that the archive leaves out.

    Raises:
        IncompleteImage: Content other than foreign layers is not in the store.
    """
    missing: dict[str, None] = {}
    foreign: dict[str, None] = {}
    for document in documents.values():
        for link in document.links:
            if link.is_document:
                if link.digest not in documents and not sparse:
                    missing[
                        f"{link.made_for or 'manifest'} ({link.digest}) of index {document.digest}"
                    ] = None
            elif link.digest in sources or link.data is not None:
                continue
            elif link.urls and (sparse or is_foreign_layer(link.target.media_type)):
                foreign[
                    f"the archive does not contain {link.digest}: readers download it from"
                    f" {', '.join(map(printable, link.urls))}"
                ] = None
            else:
                missing[
                    f"{link.role} {link.position} ({link.digest}) of {document.kind}"
                    f" {document.digest}"
                ] = None
    if missing:
        raise IncompleteImage(
            f"cannot save the images: {len(missing)} of their blobs are not in the store:"
            + "".join(f"\n  {one}" for one in missing),
            missing=list(missing),
            hint="import an archive that holds the missing blobs",
            remedy=Remedy.SAVE_PART,
        )
    return list(foreign)
