"""Questions about images, answered from one snapshot: lists, details, what lies where."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from store.catalog import content, images, manifests, references, statistics
from store.documents import ImageConfig
from store.model import (
    ContentState,
    ImageDetails,
    ImageSummary,
    ImageUsage,
    LayerDetails,
    LinkDetails,
    ManifestContents,
    ManifestDetails,
    ManifestSummary,
    StoredEncoding,
    TaggedReference,
    Usage,
    UsageRow,
)
from store.naming import one_image, one_manifest
from store.pathmatch import compile_pattern
from store.placing import deterministic_manifest
from store.values import Digest

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from store.catalog.references import Target
    from store.db.types import ContentKey
    from store.model import ImageFilter

_EARLIEST_S: Final = -62_135_596_800
_LATEST_S: Final = 253_402_300_799


def moment(created_s: int | None) -> datetime | None:
    """Seconds of Unix time as a datetime; None when unknown or beyond the years 1 to 9999."""
    if created_s is None or not _EARLIEST_S <= created_s <= _LATEST_S:
        return None
    return datetime.fromtimestamp(created_s, UTC)


def list_images(connection: Connection, filters: ImageFilter) -> tuple[ImageSummary, ...]:
    """See `store.facade.Store.images`."""
    tags = references.image_tags(connection)
    rows = images.summaries(connection)
    inside = manifests.in_named_index(connection)
    wanted = _selected(connection, filters, rows, tags, inside)
    sizes = images.total_sizes(connection)
    described = images.manifest_digests(connection)
    return tuple(
        ImageSummary(
            image_id=row.image_id,
            references=tuple(TaggedReference(target.reference, target.digest) for target in wanted[row.key]),
            manifests=tuple(described.get(row.key, ())),
            created=moment(row.created_s),
            size_bytes=sizes.get(row.key, 0),
            parent=row.parent,
            dangling=row.key not in tags and not (row.has_children or row.key in inside),
            intermediate=row.key not in tags and (row.has_children or row.key in inside),
        )
        for row in rows
        if row.key in wanted
    )


def _selected(
    connection: Connection, filters: ImageFilter, rows: Sequence[images.Summary], tags: dict[ContentKey, list[Target]], inside: set[ContentKey]
) -> dict[ContentKey, list[Target]]:
    """The images that pass, each with the tags of it that pass."""
    labelled = images.with_labels(connection, filters.labels) if filters.labels else None
    age = {row.key: row.created_s for row in rows}
    before = None if filters.before is None else age[one_image(connection, filters.before).key]
    since = None if filters.since is None else age[one_image(connection, filters.since).key]
    patterns = [compile_pattern(text) for text in filters.references]
    chosen: dict[ContentKey, list[Target]] = {}
    for row in rows:
        mine = tags.get(row.key, [])
        is_part = row.has_children or row.key in inside
        if not mine and is_part and not filters.include_intermediate:
            continue
        if filters.dangling is not None and filters.dangling != (not mine and not is_part):
            continue
        if labelled is not None and row.key not in labelled:
            continue
        if filters.before is not None and not (row.created_s or 0) < (before or 0):
            continue
        if filters.since is not None and not (row.created_s or 0) > (since or 0):
            continue
        if patterns:
            mine = [target for target in mine if _fits(target, patterns)]
            if not mine:
                continue
        chosen[row.key] = mine
    return chosen


def _fits(target: Target, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Docker's ``reference.FamiliarMatch``: the whole name as docker shows it, or the name without its tag."""
    name = target.reference
    return any(pattern.fullmatch(text) for pattern in patterns for text in (name.familiar, name.repository.familiar))


def details(connection: Connection, name: str, document: Callable[[Digest], bytes]) -> ImageDetails:
    """See `store.facade.Store.inspect`. ``document`` reads a config."""
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


def list_manifests(connection: Connection, filters: ImageFilter) -> tuple[ManifestSummary, ...]:
    """See `store.facade.Store.manifests`."""
    if filters.labels or filters.before or filters.since:
        # These speak of images.
        return ()
    patterns = [compile_pattern(text) for text in filters.references]
    found = []
    for one in manifests.without_image(connection):
        tags = references.of_manifest(connection, one.key)
        if any(target.image is not None for target in tags) or (filters.dangling is not None and filters.dangling == bool(tags)):
            continue
        names = [target for target in tags if not patterns or _fits(target, patterns)]
        if names or not patterns:
            found.append(_summary(one, names))
    return tuple(found)


def _summary(one: manifests.Described, tags: Sequence[Target]) -> ManifestSummary:
    return ManifestSummary(one.digest, tuple(target.reference for target in tags), one.media_type, one.kind, one.artifact_type, one.subject, one.size_bytes)


def manifest_contents(connection: Connection, name: str) -> ManifestContents:
    """See `store.facade.Store.inspect_manifest`."""
    found = one_manifest(connection, name)
    summary = _summary(manifests.describe(connection, found.key), references.of_manifest(connection, found.key))
    links = tuple(
        LinkDetails(digest, role, media_type, size, ContentState(state), platform)
        for digest, role, media_type, size, state, platform in manifests.children_of(connection, found.key)
    )
    return ManifestContents(summary, links, tuple(manifests.referrers(connection, (found.digest,))))


def _stored(sources: content.Sources) -> tuple[StoredEncoding, ...]:
    own = (StoredEncoding(sources.digest, "identity", sources.size_bytes, seekable=True),) if sources.in_file or sources.inline is not None else ()
    return own + sources.encodings


def usage(connection: Connection) -> Usage:
    """See `store.facade.Store.usage` (without the database file)."""
    tags = references.image_tags(connection)
    rows = images.summaries(connection)
    sizes = images.total_sizes(connection)
    shared = statistics.shared_bytes(connection)
    files = statistics.files(connection)
    layers = statistics.layers(connection)
    active = {row.key for row in rows if row.key in tags}
    used = statistics.diffs_of(connection, active)
    per_image = tuple(
        ImageUsage(
            image_id=row.image_id,
            references=tuple(target.reference for target in tags.get(row.key, ())),
            size_bytes=sizes.get(row.key, 0),
            shared_bytes=shared.get(row.key, 0),
            unique_bytes=sizes.get(row.key, 0) - shared.get(row.key, 0),
            created=moment(row.created_s),
        )
        for row in rows
    )
    reclaimable = statistics.stored_bytes(connection) - statistics.stored_bytes(connection, used)
    return Usage(
        rows=(
            UsageRow(
                "Images",
                len(rows),
                len(active),
                sum(sizes.values()),
                sum(sizes.get(row.key, 0) - shared.get(row.key, 0) for row in rows if row.key not in active),
            ),
            UsageRow("Layers", layers.count, len(used), layers.size_bytes, layers.size_bytes - statistics.layers(connection, used).size_bytes),
            UsageRow("Blobs", files.count, files.count, files.size_bytes, reclaimable),
        ),
        images=per_image,
        on_disk_bytes=files.size_bytes,
        database_bytes=0,
    )


def with_database(report: Usage, database_bytes: int) -> Usage:
    """The same report, counting the database file too."""
    return replace(report, on_disk_bytes=report.on_disk_bytes + database_bytes, database_bytes=database_bytes)
