"""Everything about one image, manifest or index, answered from one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content, images, manifests, references
from store.formats.image.config import ImageConfig
from store.importing.placement import deterministic_manifest
from store.maintenance.reports import ImageDetails, LayerDetails, LinkDetails, ManifestContents, ManifestDetails
from store.model.contents import ContentState, StoredEncoding
from store.model.digests import Digest
from store.names.resolve import one_image, one_manifest
from store.queries.lists import summary_of
from store.queries.results import TaggedReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection


def image_details(connection: Connection, name: str, document: Callable[[Digest], bytes]) -> ImageDetails:
    """See `store.store.Store.inspect`. ``document`` reads a config."""
    found = one_image(connection, name)
    config = ImageConfig.parse(document(found.image_id.digest))
    chain = images.chain(connection, found.key)
    diffs = [layer.diff_id.digest for layer in chain]
    sources = content.sources(connection, diffs)
    urls = content.foreign_urls(connection, diffs)
    ours = Digest.of(deterministic_manifest(config, [layer.size_bytes for layer in chain]))
    return ImageDetails(
        image_id=found.image_id,
        config=config,
        references=tuple(TaggedReference(target.reference, target.digest) for target in references.of_image(connection, found.key)),
        manifests=tuple(
            ManifestDetails(digest, media_type, size, deterministic=digest == ours)
            for _, digest, media_type, size in images.manifests_of(connection, found.key)
        ),
        layers=tuple(
            LayerDetails(
                diff_id=layer.diff_id,
                chain_id=layer.chain_id,
                size_bytes=layer.size_bytes,
                state=sources[layer.diff_id.digest].state if layer.diff_id.digest in sources else ContentState.ABSENT,
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
    found = one_manifest(connection, name)
    summary = summary_of(manifests.describe(connection, found.key), references.of_manifest(connection, found.key))
    links = tuple(
        LinkDetails(digest, role, media_type, size, ContentState(state), platform)
        for digest, role, media_type, size, state, platform in manifests.children_of(connection, found.key)
    )
    return ManifestContents(summary, links, tuple(manifests.referrers(connection, (found.digest,))))


def _stored(sources: content.Sources) -> tuple[StoredEncoding, ...]:
    own = (StoredEncoding(sources.digest, "identity", sources.size_bytes, seekable=True),) if sources.in_file or sources.inline is not None else ()
    return own + sources.encodings
