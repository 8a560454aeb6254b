"""The choice of images from an index, by platform.

A save includes the images for the platforms in its options. If the options name no platform, a save
includes every image, or the best image for the machine if the format holds only one image of an
index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.selection.roots import SavedRoot
from store.catalog import manifests
from store.errors import InvalidInput, ReferenceNotFound
from store.formats.image.graph_walk import links_below
from store.formats.image.layout_names import ATTESTED
from store.formats.image.manifests import Kind
from store.formats.image.media_types import INDEXES
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.selection.loading import Loading
    from store.formats.image.manifests import Document
    from store.model.digests import Digest
    from store.model.platforms import Platform


def is_index(connection: Connection, digest: Digest) -> bool:
    """Return whether the stored document ``digest`` is an index."""
    return manifests.media_types(connection, (digest,)).get(digest) in INDEXES


def choose_roots(
    loading: Loading, root: SavedRoot, options: SaveOptions, keep: set[Digest], notes: list[str]
) -> list[SavedRoot]:
    """Return the roots that the archive lists in place of one root that the user named.

    Args:
        loading: The documents below ``root``.
        root: The manifest or index that was named.
        options: The platforms to save.
        keep: Digests of the saved documents; the digests of chosen documents are added.
        notes: Notes for the user about the archive; notes on this root are added.

    Raises:
        InvalidInput: The root has no image for one of the platforms.
    """
    document = loading.documents[root.digest]
    if not options.platforms:
        # Whatever was kept before was kept with everything below it.
        keep.update(loading.below(root.digest, known=keep))
        return [root]
    if document.kind is Kind.MANIFEST:
        platform = loading.platform(document)
        # An artifact has no platform, and is saved for every platform.
        if platform is not None and not options.wants(platform):
            raise _other_platform(root.name, options.platforms, platform)
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
        named = chosen[first] or first
        unnamed = ", ".join(str(chosen[digest] or digest) for digest in others)
        text = f"in the archive {root.name} names only the image for {named}; unnamed: {unnamed}"
        notes.append(Note(text, Remedy.SAVE_SPARSE_INDEX))
    return [
        SavedRoot(first, root.tags, root.repositories, root.pinned),
        *(SavedRoot(digest, (), root.repositories, root.pinned) for digest in others),
    ]


def _chosen(
    loading: Loading, index: Document, options: SaveOptions, name: str
) -> dict[Digest, Platform | None]:
    """Return the images of an index for the platforms, in the platforms' order."""
    offers = stored_images(loading, index)
    chosen: dict[Digest, Platform | None] = {}
    unmatched = []
    for wanted in options.platforms:
        fitting = {digest: platform for digest, platform in offers if wanted.matches(platform)}
        chosen |= {digest: platform for digest, platform in fitting.items() if digest not in chosen}
        if not fitting:
            unmatched.append(wanted)
    if unmatched:
        raise _no_image(name, unmatched, offers)
    return chosen


def stored_images(loading: Loading, index: Document) -> list[tuple[Digest, Platform]]:
    """Return the stored images of an index with their platforms.

    Args:
        loading: The documents below ``index``.
        index: The index. Images of nested indexes are included, each platform once.
    """
    found: dict[tuple[Digest, Platform], None] = {}
    platforms: dict[Digest, Platform | None] = {}
    for link in links_below(
        index, loading.documents, lambda link: ATTESTED not in link.annotations
    ):
        document = loading.documents.get(link.digest)
        if document is None or document.kind is Kind.INDEX:
            continue
        if link.digest not in platforms:
            platforms[link.digest] = loading.platform(document)
        platform = platforms[link.digest]
        if platform is not None:
            listed = link.made_for
            stated = listed if listed is not None and listed.is_known else platform
            if stated.is_known:
                found[link.digest, stated] = None
    return list(found)


def choose_image(
    loading: Loading, digest: Digest, options: SaveOptions, name: str
) -> tuple[Document, tuple[str, ...]]:
    """Return the manifest of the one image to save, and notes on the images left out.

    Args:
        loading: The documents below ``digest``.
        digest: A manifest or an index.
        options: The platform to choose.
        name: The name that the user gave, for messages.

    Raises:
        InvalidInput: No image is for the platform.
        ReferenceNotFound: The manifest is an artifact.
    """
    document = loading.documents[digest]
    if document.kind is Kind.MANIFEST:
        platform = loading.platform(document)
        if platform is None:
            raise ReferenceNotFound(
                f"cannot save {name} in the format legacy: it is an artifact",
                remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
        if options.platforms and not options.wants(platform):
            raise _other_platform(name, options.platforms, platform)
        return document, ()
    offers = stored_images(loading, document)
    position = options.choose(platform for _, platform in offers)
    if position is None:
        raise _no_image(name, options.platforms or (options.machine,), offers)
    left = [str(other) for at, (_, other) in enumerate(offers) if at != position]
    # The archive also leaves out images that the index lists but the store does not have.
    stored = {other for other, _ in offers}
    left += [
        str(link.made_for)
        for link in document.children
        if link.digest not in stored and link.made_for is not None and link.made_for.is_known
    ]
    chosen, platform = offers[position]
    manifest = loading.documents[chosen]
    if not left:
        return manifest, ()
    text = f"{name}: saved {platform}; left out: {', '.join(left)}"
    return manifest, (Note(text, Remedy.SAVE_AS_OCI_OR_DOCKER),)


def _other_platform(name: str, wanted: Iterable[Platform], platform: Platform) -> InvalidInput:
    return InvalidInput(
        f"cannot save {name} for {_either(wanted)}: the image is for {platform}",
        hint=f"save the image for {platform}",
    )


def _no_image(
    name: str, wanted: Iterable[Platform], offers: Iterable[tuple[Digest, Platform]]
) -> InvalidInput:
    stored = ", ".join(sorted({str(platform) for _, platform in offers}))
    return InvalidInput(
        f"cannot save {name} for {_either(wanted)}: the store has no image for that platform",
        hint=f"choose from the stored platforms: {stored}"
        if stored
        else "import an archive that holds the images of the index",
        remedy=Remedy.CHOOSE_PLATFORM if stored else None,
    )


def _either(platforms: Iterable[Platform]) -> str:
    return " or ".join(map(str, platforms))
