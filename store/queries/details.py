"""The details of one image, manifest or index, read from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import content, foreign_layers, images, layers, manifests, references
from store.catalog.lists import digest_references
from store.formats.image.config import ImageConfig
from store.formats.image.deterministic import deterministic_manifest
from store.formats.image.manifests import Document
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest
from store.model.platforms import DEFAULT_CHOICE
from store.names.resolve import resolve_image, resolve_manifest
from store.queries.lists import summary_of
from store.queries.results import ManifestSummary, TaggedReference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import ChainID, DiffID, ImageID
    from store.model.platforms import PlatformChoice
    from store.model.references import Reference


def image_details(
    connection: Connection,
    name: str,
    document: Callable[[Digest], bytes],
    choice: PlatformChoice = DEFAULT_CHOICE,
) -> ImageDetails:
    """Return the details of one image.

    Args:
        connection: A read unit.
        name: A tag, digest reference, digest or image ID.
        document: Returns the bytes of a config by its digest.
        choice: The platform to choose for, if the name is that of an index.

    Raises:
        ImageNotFound: No image has this name.
        InvalidInput: The name has no image for the wanted platforms.
        AmbiguousName: The name begins the IDs of several images.
    """
    found = resolve_image(connection, name, choice)
    config = ImageConfig.parse(document(found.image_id.digest))
    chain = layers.chain(connection, found.key)
    diffs = [layer.diff_id.digest for layer in chain]
    sources = content.sources(connection, diffs)
    urls = foreign_layers.foreign_urls(connection, found.key)
    undecoded = layers.undecoded_layers(connection, (found.key,)).get(found.key, {})
    deterministic = Digest.of(deterministic_manifest(config, [layer.size_bytes for layer in chain]))
    return ImageDetails(
        image_id=found.image_id,
        config=config,
        references=tuple(
            TaggedReference(target.reference, target.digest)
            for target in references.of_image(connection, found.key)
        ),
        digests=tuple(
            target.reference for target in digest_references.of_image(connection, found.key)
        ),
        manifests=tuple(
            ManifestDetails(digest, media_type, size, deterministic=digest == deterministic)
            for _, digest, media_type, size in images.manifests_of(connection, found.key)
        ),
        layers=tuple(
            LayerDetails(
                diff_id=layer.diff_id,
                chain_id=layer.chain_id,
                size_bytes=undecoded[position].size_bytes
                if position in undecoded
                else layer.size_bytes,
                state=(
                    sources[layer.diff_id.digest].state
                    if layer.diff_id.digest in sources
                    else ContentState.ABSENT
                ),
                encodings=_stored(sources[layer.diff_id.digest]),
                urls=urls.get(layer.diff_id.digest, ()),
                undecoded=undecoded[position].blob if position in undecoded else None,
            )
            for position, layer in enumerate(chain)
        ),
        parent=images.parent_of(connection, found.key),
        children=images.children_of(connection, found.key),
        last_tagged=references.last_tagged(connection, found.key),
    )


def manifest_contents(connection: Connection, name: str) -> ManifestContents:
    """Return the content and the referrers of a manifest or index.

    Args:
        connection: A read unit.
        name: A tag, digest reference or digest.

    Raises:
        ImageNotFound: No manifest has this name.
        AmbiguousName: The name begins the IDs of several images.
    """
    found = resolve_manifest(connection, name)
    summary = summary_of(
        manifests.describe(connection, found.key),
        references.of_manifest(connection, found.key),
        digest_references.of_manifest(connection, found.key),
    )
    listed = manifests.children_of(connection, found.key)
    stated = (
        _stated_sizes(connection, found.digest)
        if any(state == ContentState.ABSENT for _, _, _, _, state, _ in listed)
        else {}
    )
    links = tuple(
        LinkDetails(
            digest, role, media_type, stated.get(digest, size), ContentState(state), platform
        )
        for digest, role, media_type, size, state, platform in listed
    )
    return ManifestContents(summary, links, tuple(manifests.referrers(connection, (found.digest,))))


def _stated_sizes(connection: Connection, digest: Digest) -> dict[Digest, int]:
    """Return the sizes that a manifest states; empty if its bytes are not in the database."""
    data = content.sources(connection, (digest,))[digest].inline
    if data is None:
        return {}
    document = Document.parse(
        data,
        digest=digest,
        media_type=manifests.media_types(connection, (digest,))[digest],
        is_stored=True,
    )
    return {link.digest: link.target.size_bytes for link in document.links}


def _stored(sources: Sources) -> tuple[StoredEncoding, ...]:
    """Return the stored forms of a layer, the uncompressed form first."""
    own = (
        (StoredEncoding(sources.digest, Codec.IDENTITY, sources.size_bytes, seekable=True),)
        if sources.in_file or sources.inline is not None
        else ()
    )
    return own + sources.encodings


@final
@dataclass(frozen=True, slots=True)
class LinkDetails:
    """A link of a manifest or index, with the state of its target.

    Attributes:
        digest: The target's digest.
        role: ``config``, ``layer``, ``child`` or ``blob``.
        media_type: The media type that the manifest states.
        size_bytes: The size that the manifest states.
        state: Whether the store has the target.
        platform: The platform that an index states for a child; empty if it states none.
    """

    digest: Digest
    role: str
    media_type: str
    size_bytes: int
    state: ContentState
    platform: Mapping[str, object]


@final
@dataclass(frozen=True, slots=True)
class ManifestContents:
    """A manifest or index, with its links and referrers.

    Attributes:
        summary: The manifest or index as lists show it.
        links: The links to other content, in the document's order.
        referrers: The digests of manifests that have this document as their subject.
    """

    summary: ManifestSummary
    links: tuple[LinkDetails, ...]
    referrers: tuple[Digest, ...]


@final
@dataclass(frozen=True, slots=True)
class LayerDetails:
    """One layer of an image.

    Attributes:
        diff_id: The digest of the uncompressed layer.
        chain_id: The ID of the layer together with all layers below it.
        size_bytes: The size of the uncompressed layer, or of the blob ``undecoded``.
        state: Whether the store has the layer.
        encodings: The forms in which the layer is stored.
        urls: The URLs from which a foreign layer can be downloaded.
        undecoded: The blob that a manifest lists as this layer, if it was not decoded yet, or does
            not decode to this layer; else None.
    """

    diff_id: DiffID
    chain_id: ChainID
    size_bytes: int
    state: ContentState
    encodings: tuple[StoredEncoding, ...]
    urls: tuple[str, ...]
    undecoded: Digest | None = None


@final
@dataclass(frozen=True, slots=True)
class ManifestDetails:
    """A manifest that describes an image.

    Attributes:
        digest: The manifest's digest.
        media_type: The manifest's media type.
        size_bytes: The size of the manifest itself.
        deterministic: Whether this is the manifest that Docker writes into an archive of the image.
    """

    digest: Digest
    media_type: str
    size_bytes: int
    deterministic: bool


@final
@dataclass(frozen=True, slots=True)
class ImageDetails:
    """The details of one image.

    Attributes:
        image_id: The image's ID.
        config: The image's config.
        references: The tags that lead to the image, directly or through an index, in byte order.
        digests: The digest references that lead to the image, directly or through an index.
        manifests: The manifests that describe the image.
        layers: The layers, base first.
        parent: The image that this one was built on; None if it is unknown.
        children: The images that were built on this one.
        last_tagged: When a tag of the image was last set; None if no tag was ever set.
    """

    image_id: ImageID
    config: ImageConfig
    references: tuple[TaggedReference, ...]
    digests: tuple[Reference, ...]
    manifests: tuple[ManifestDetails, ...]
    layers: tuple[LayerDetails, ...]
    parent: ImageID | None
    children: tuple[ImageID, ...]
    last_tagged: datetime | None

    @property
    def size_bytes(self) -> int:
        """The size of all uncompressed layers; of a layer that was not decoded, of its blob."""
        return sum(layer.size_bytes for layer in self.layers)
