"""Which images of an index are saved: those for the platforms that were asked for, or in a format with room for one, the best for the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.selection.loading import ATTESTED, Loading
from exporter.selection.roots import SavedRoot
from store.catalog import manifests
from store.errors import InvalidInput, ReferenceNotFound
from store.formats.image.manifests import Kind
from store.formats.image.media_types import INDEXES
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.selection.loading import Read
    from store.formats.image.manifests import Document
    from store.model.digests import Digest
    from store.model.platforms import Platform


def is_index(connection: Connection, digest: Digest) -> bool:
    """Whether a manifest is an index."""
    return manifests.media_types(connection, (digest,)).get(digest) in INDEXES


def roots_for(
    loading: Loading, root: SavedRoot, options: SaveOptions, keep: set[Digest], notes: list[str]
) -> list[SavedRoot]:
    """What stands at the top of an archive for one root.

    Every document of it that comes along is put into ``keep``.

    Raises InvalidInput when there is nothing for one of the platforms.
    """
    document = loading.documents[root.digest]
    if not options.platforms:
        keep.update(loading.below(root.digest))
        return [root]
    if document.kind is Kind.MANIFEST:
        platform = loading.platform(document)
        # What is no image is for no platform, and so for any.
        if platform is not None and not options.wants(platform):
            raise InvalidInput(
                f"{root.name} is not for {_either(options.platforms)}", hint=f"it is for {platform}"
            )
        keep.add(root.digest)
        return [root]
    chosen = _chosen(loading, document, options, root.name)
    for digest in chosen:
        keep.add(digest)
    if options.sparse:
        attested = {str(digest) for digest in chosen}
        for digest in loading.below(root.digest):
            index = loading.documents[digest]
            if index.kind is Kind.INDEX:
                keep.add(digest)
                keep.update(
                    link.digest
                    for link in index.children
                    if link.annotations.get(ATTESTED) in attested
                    and link.digest in loading.documents
                )
        return [root]
    first, *others = chosen
    if others and root.tags:
        rest = ", ".join(str(chosen[digest] or digest) for digest in others)
        notes.append(
            Note(
                f"{root.name} names {chosen[first] or first} in the archive; without a name: {rest}",
                Remedy.SAVE_SPARSE_INDEX,
            )
        )
    return [
        SavedRoot(first, root.tags, root.repositories),
        *(SavedRoot(digest, (), root.repositories) for digest in others),
    ]


def _chosen(
    loading: Loading, index: Document, options: SaveOptions, name: str
) -> dict[Digest, Platform | None]:
    """The images of an index that were asked for, in the order they were asked for."""
    offers = offered(loading, index)
    chosen: dict[Digest, Platform | None] = {}
    lacking = []
    for wanted in options.platforms:
        fitting = {digest: platform for digest, platform in offers if wanted.matches(platform)}
        chosen |= {digest: platform for digest, platform in fitting.items() if digest not in chosen}
        if not fitting:
            lacking.append(wanted)
    if lacking:
        have = ", ".join(sorted({str(platform) for _, platform in offers})) or "no images"
        raise InvalidInput(
            f"nothing of {name} is for {_either(lacking)}", hint=f"here it has {have}"
        )
    return chosen


def offered(loading: Loading, index: Document) -> list[tuple[Digest, Platform]]:
    """The images of an index that are here, and what each is for."""
    found: list[tuple[Digest, Platform]] = []
    for link in index.children:
        document = loading.documents.get(link.digest)
        if document is None or ATTESTED in link.annotations:
            continue
        if document.kind is Kind.INDEX:
            found += offered(loading, document)
        elif (platform := loading.platform(document)) is not None:
            said = (
                link.made_for if link.made_for is not None and link.made_for.is_known else platform
            )
            if said.is_known:
                found.append((link.digest, said))
    return found


def image_for(
    connection: Connection, digest: Digest, options: SaveOptions, read: Read, name: str
) -> tuple[Digest, tuple[str, ...]]:
    """The manifest of the one image to take of a manifest or index, and notes on what was left out.

    Raises InvalidInput when no image is for the platform, ReferenceNotFound for an artifact.
    """
    loading = Loading(connection, read)
    loading.descend((digest,))
    document = loading.documents[digest]
    if document.kind is Kind.MANIFEST:
        platform = loading.platform(document)
        if platform is None:
            raise ReferenceNotFound(f"{name} is no image", remedy=Remedy.SAVE_AS_OCI_OR_DOCKER)
        if options.platforms and not options.wants(platform):
            raise InvalidInput(
                f"{name} is not for {_either(options.platforms)}", hint=f"it is for {platform}"
            )
        return digest, ()
    offers = offered(loading, document)
    position = options.choose(platform for _, platform in offers)
    if position is None:
        have = ", ".join(sorted({str(platform) for _, platform in offers})) or "no images"
        raise InvalidInput(
            f"nothing of {name} is for {_either(options.platforms or (options.machine,))}",
            hint=f"the store has {have}",
            remedy=Remedy.CHOOSE_PLATFORM,
        )
    left = [str(platform) for place, (_, platform) in enumerate(offers) if place != position]
    # What the index names and the store does not have stays out of the archive as well.
    here = {other for other, _ in offers}
    left += [
        str(link.made_for)
        for link in document.children
        if link.digest not in here and link.made_for is not None and link.made_for.is_known
    ]
    notes = (
        (
            Note(
                f"{name}: saved {offers[position][1]}; left out: {', '.join(left)}",
                Remedy.SAVE_AS_OCI_OR_DOCKER,
            ),
        )
        if left
        else ()
    )
    return offers[position][0], notes


def _either(platforms: Iterable[Platform]) -> str:
    return " or ".join(map(str, platforms))
