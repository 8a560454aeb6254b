"""Everything about one image, manifest or index, answered from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import content, foreign_layers, images, layers, manifests, references
from store.formats.image.config import ImageConfig
from store.formats.image.deterministic import deterministic_manifest
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest
from store.names.resolve import resolve_image, resolve_manifest
from store.queries.lists import summary_of
from store.queries.results import ManifestSummary, TaggedReference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import ChainID, DiffID, ImageID


def image_details(
    connection: Connection, name: str, document: Callable[[Digest], bytes]
) -> ImageDetails:
    """See `store.store.Store.inspect`. ``document`` reads a config."""
    found = resolve_image(connection, name)
    config = ImageConfig.parse(document(found.image_id.digest))
    chain = layers.chain(connection, found.key)
    diffs = [layer.diff_id.digest for layer in chain]
    sources = content.sources(connection, diffs)
    urls = foreign_layers.foreign_urls(connection, diffs)
    ours = Digest.of(deterministic_manifest(config, [layer.size_bytes for layer in chain]))
    return ImageDetails(
        image_id=found.image_id,
        config=config,
        references=tuple(
            TaggedReference(target.reference, target.digest)
            for target in references.of_image(connection, found.key)
        ),
        manifests=tuple(
            ManifestDetails(digest, media_type, size, deterministic=digest == ours)
            for _, digest, media_type, size in images.manifests_of(connection, found.key)
        ),
        layers=tuple(
            LayerDetails(
                diff_id=layer.diff_id,
                chain_id=layer.chain_id,
                size_bytes=layer.size_bytes,
                state=(
                    sources[layer.diff_id.digest].state
                    if layer.diff_id.digest in sources
                    else ContentState.ABSENT
                ),
                encodings=_stored(sources[layer.diff_id.digest]),
                urls=urls.get(layer.diff_id.digest, ()),
            )
            for layer in chain
        ),
        parent=images.parent_of(connection, found.key),
        children=images.children_of(connection, found.key),
        last_tagged=references.last_tagged(connection, found.key),
    )


def manifest_contents(connection: Connection, name: str) -> ManifestContents:
    """See `store.store.Store.inspect_manifest`."""
    found = resolve_manifest(connection, name)
    summary = summary_of(
        manifests.describe(connection, found.key), references.of_manifest(connection, found.key)
    )
    links = tuple(
        LinkDetails(digest, role, media_type, size, ContentState(state), platform)
        for digest, role, media_type, size, state, platform in manifests.children_of(
            connection, found.key
        )
    )
    return ManifestContents(summary, links, tuple(manifests.referrers(connection, (found.digest,))))


def _stored(sources: Sources) -> tuple[StoredEncoding, ...]:
    own = (
        (StoredEncoding(sources.digest, Codec.IDENTITY, sources.size_bytes, seekable=True),)
        if sources.in_file or sources.inline is not None
        else ()
    )
    return own + sources.encodings


@final
@dataclass(frozen=True, slots=True)
class LinkDetails:
    """What a manifest or index points at."""

    digest: Digest
    role: str
    media_type: str
    size_bytes: int
    state: ContentState
    platform: Mapping[str, object]


@final
@dataclass(frozen=True, slots=True)
class ManifestContents:
    """Everything known about a manifest or index that stands for no image."""

    summary: ManifestSummary
    links: tuple[LinkDetails, ...]
    referrers: tuple[Digest, ...]


@final
@dataclass(frozen=True, slots=True)
class LayerDetails:
    """One layer of an image, base first."""

    diff_id: DiffID
    chain_id: ChainID
    size_bytes: int
    state: ContentState
    encodings: tuple[StoredEncoding, ...]
    urls: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class ManifestDetails:
    """A manifest that describes an image."""

    digest: Digest
    media_type: str
    size_bytes: int
    deterministic: bool


@final
@dataclass(frozen=True, slots=True)
class ImageDetails:
    """Everything known about one image."""

    image_id: ImageID
    config: ImageConfig
    references: tuple[TaggedReference, ...]
    manifests: tuple[ManifestDetails, ...]
    layers: tuple[LayerDetails, ...]
    parent: ImageID | None
    children: tuple[ImageID, ...]
    last_tagged: datetime | None

    @property
    def size_bytes(self) -> int:
        """The uncompressed layers together."""
        return sum(layer.size_bytes for layer in self.layers)
