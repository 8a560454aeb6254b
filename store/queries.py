"""Lists of images and of manifests, answered from one snapshot."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from store.catalog import images, manifests, references
from store.listing import ImageFilter, ImageSummary, ManifestSummary, TaggedReference
from store.naming import one_image
from store.pathmatch import compile_pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from store.catalog.references import Target
    from store.db.types import ContentKey

_EARLIEST_S: Final = -62_135_596_800
_LATEST_S: Final = 253_402_300_799


def moment(created_s: int | None) -> datetime | None:
    """Seconds of Unix time as a datetime; None when unknown or beyond the years 1 to 9999."""
    if created_s is None or not _EARLIEST_S <= created_s <= _LATEST_S:
        return None
    return datetime.fromtimestamp(created_s, UTC)


def list_images(connection: Connection, filters: ImageFilter | None) -> tuple[ImageSummary, ...]:
    """See `store.facade.Store.images`."""
    filters = filters or ImageFilter()
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


def list_manifests(connection: Connection, filters: ImageFilter | None) -> tuple[ManifestSummary, ...]:
    """See `store.facade.Store.manifests`."""
    filters = filters or ImageFilter()
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
            found.append(summary_of(one, names))
    return tuple(found)


def summary_of(one: manifests.Described, tags: Sequence[Target]) -> ManifestSummary:
    """A manifest with those of its tags that are wanted."""
    return ManifestSummary(one.digest, tuple(target.reference for target in tags), one.media_type, one.kind, one.artifact_type, one.subject, one.size_bytes)
