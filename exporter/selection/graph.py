"""Manifests and everything below them, as it is to be saved: which platforms, what refers to them, and whether all of it is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.loading import Loading, ordered
from exporter.selection.platforms import roots_for
from exporter.selection.referrers import with_referrers
from exporter.selection.roots import SavedRoot
from store.catalog import content
from store.errors import IncompleteImage, printable
from store.formats.image.media_types import is_foreign_layer
from store.model.contents import ContentState
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.selection.loading import Read
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document
    from store.model.contents import Sources
    from store.model.digests import Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class SavedGraph:
    """What an OCI archive is made of.

    ``documents`` has every manifest and index in it, what is pointed at before what points at it;
    ``configs`` those of images, by the manifest's digest. ``sources`` say where the bytes of
    everything come from; what is not in it stays away.
    """

    roots: tuple[SavedRoot, ...]
    documents: Mapping[Digest, Document]
    configs: Mapping[Digest, ImageConfig]
    sources: Mapping[Digest, Sources]
    notes: tuple[str, ...] = ()
    made: Mapping[Digest, tuple[bytes | Path, int]] = field(default_factory=dict)
    """What was made for this archive, with its size in bytes."""

    def image_ids(self) -> set[ImageID]:
        """The images in it."""
        return {config.image_id for config in self.configs.values()}

    def needs(self) -> set[Digest]:
        """Everything that has to stay while it is being saved."""
        stored = {
            encoding.digest for sources in self.sources.values() for encoding in sources.encodings
        }
        return {*self.documents, *self.sources, *stored}


def load(
    connection: Connection, roots: Sequence[SavedRoot], options: SaveOptions, read: Read
) -> SavedGraph:
    """Everything below ``roots``, as the options want it.

    ``read`` gives the bytes of a small content.

    Raises IncompleteImage when something is not here, InvalidInput when nothing is for the
    platforms, DamagedContent.
    """
    loading = Loading(connection, read, options.within)
    loading.descend(root.digest for root in roots)
    notes: list[str] = []
    keep: set[Digest] = set()
    saved = _merged(
        [one for root in roots for one in roots_for(loading, root, options, keep, notes)]
    )
    if options.referrers:
        saved = with_referrers(loading, saved, keep)
    documents = {
        digest: document
        for digest, document in ordered(loading.documents, saved).items()
        if digest in keep
    }
    wanted = {
        link.digest
        for document in documents.values()
        for link in document.links
        if not link.is_document
    } | set(documents)
    sources = {
        digest: one
        for digest, one in content.sources(connection, wanted).items()
        if one.state is not ContentState.ABSENT
    }
    notes += _require_closed(documents, sources, sparse=options.sparse)
    configs = {
        digest: config
        for digest, document in documents.items()
        if (config := loading.config(document)) is not None
    }
    return SavedGraph(tuple(saved), documents, configs, sources, tuple(notes))


def _merged(roots: Sequence[SavedRoot]) -> list[SavedRoot]:
    """Roots with all their tags; two indexes may have led to one manifest."""
    found: dict[Digest, SavedRoot] = {}
    for root in roots:
        known = found.get(root.digest, SavedRoot(root.digest))
        found[root.digest] = SavedRoot(
            root.digest,
            tuple(dict.fromkeys((*known.tags, *root.tags))),
            tuple(dict.fromkeys((*known.repositories, *root.repositories))),
        )
    return list(found.values())


def _require_closed(
    documents: Mapping[Digest, Document], sources: Mapping[Digest, Sources], *, sparse: bool
) -> list[str]:
    """Whether everything that is pointed at is here; notes on what was let pass.

    Raises IncompleteImage with the list.
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
                    f"{link.digest} is not inside: it has to be fetched from"
                    f" {', '.join(map(printable, link.urls))}"
                ] = None
            else:
                missing[
                    f"{link.role} {link.position} ({link.digest}) of {document.kind}"
                    f" {document.digest}"
                ] = None
    if missing:
        raise IncompleteImage(
            f"{len(missing)} thing(s) that the images name are not here:"
            + "".join(f"\n  {one}" for one in missing),
            missing=list(missing),
            hint="import an archive that has them",
            remedy=Remedy.SAVE_PART,
        )
    return list(foreign)
