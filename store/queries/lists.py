"""Lists of images and of manifests, answered from one snapshot, page by page: what a page costs does not depend on how much there is."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from store.catalog import manifests, references
from store.catalog.lists import image_list
from store.errors import ImageNotFound
from store.formats.golang.path_match import compile_pattern, literal_start
from store.model.moments import moment
from store.names.resolve import parse_full_id, resolve_image
from store.queries.results import ImageFilter, ImageSummary, ManifestSummary, TaggedReference

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from store.catalog.lists.image_list import ListPosition
    from store.catalog.references import TagTarget
    from store.db.types import ContentKey
    from store.model.digests import Digest
    from store.model.references import Reference


_PIECE: Final = 900
"""Images that are looked at together."""


# --- images ---------------------------------------------------------------------------------------


def list_images(connection: Connection, filters: ImageFilter | None) -> tuple[ImageSummary, ...]:
    """See `store.store.Store.images`."""
    filters = filters or ImageFilter()
    after = None
    if filters.after is not None:
        if _manifest_position(connection, filters.after) is not None:
            return ()
        after = image_list.position_of(connection, resolve_image(connection, filters.after).key)
    return tuple(islice(_passing(connection, filters, after), filters.limit))


def _passing(
    connection: Connection, filters: ImageFilter, after: ListPosition | None
) -> Iterator[ImageSummary]:
    before, since = (
        (
            None
            if name is None
            else image_list.position_of(connection, resolve_image(connection, name).key).created_s
            or 0
        )
        for name in (filters.before, filters.since)
    )
    patterns = [compile_pattern(text) for text in filters.references]
    for positions in _pieces(connection, filters, after):
        young = [
            place.key
            for place in positions
            if (before is None or (place.created_s or 0) < before)
            and (since is None or (place.created_s or 0) > since)
        ]
        if young:
            yield from _piece(connection, young, filters, patterns)


def _pieces(
    connection: Connection, filters: ImageFilter, after: ListPosition | None
) -> Iterator[list[ListPosition]]:
    """What may pass, in order: by the index of names or of labels when there is such a filter, else along the index of ages."""
    named = None if not filters.references else _with_names(connection, filters.references)
    labelled = None if not filters.labels else image_list.with_labels(connection, filters.labels)
    if named is not None or labelled is not None:
        keys = labelled if named is None else named if labelled is None else named & labelled
        ordered = [
            place
            for place in image_list.positions_of(connection, keys or ())
            if after is None or place.order > after.order
        ]
        for start in range(0, len(ordered), _PIECE):
            yield ordered[start : start + _PIECE]
        return
    size = _PIECE if filters.limit is None else min(_PIECE, max(1, filters.limit))
    while positions := image_list.positions(connection, after=after, limit=size):
        yield positions
        after = positions[-1]
        # When few of them pass, look at more together.
        size = min(_PIECE, 2 * size)


def _with_names(connection: Connection, texts: Sequence[str]) -> set[ContentKey]:
    patterns = [compile_pattern(text) for text in texts]
    starts = {literal_start(text).partition(":")[0] for text in texts}
    return {
        target.image
        for start in starts
        for target in references.beginning_with(connection, start)
        if target.image is not None and _fits(target, patterns)
    }


def _piece(
    connection: Connection,
    keys: list[ContentKey],
    filters: ImageFilter,
    patterns: Sequence[re.Pattern[str]],
) -> Iterator[ImageSummary]:
    rows = image_list.summaries(connection, keys)
    tags = references.of_images(connection, keys)
    inside = manifests.parts_of_named_indexes(connection, keys)
    wanted = {
        key: _chosen(
            tags.get(key, []), filters, patterns, is_part=rows[key].has_children or key in inside
        )
        for key in keys
    }
    passing = [key for key in keys if wanted[key] is not None]
    sizes = image_list.total_sizes(connection, passing)
    described = image_list.manifest_digests(connection, passing)
    for key in passing:
        row, is_part = rows[key], rows[key].has_children or key in inside
        yield ImageSummary(
            image_id=row.image_id,
            references=tuple(
                TaggedReference(target.reference, target.digest) for target in wanted[key] or ()
            ),
            manifests=tuple(described.get(key, ())),
            created=moment(row.created_s),
            size_bytes=sizes.get(key, 0),
            parent=row.parent,
            dangling=key not in tags and not is_part,
            intermediate=key not in tags and is_part,
        )


def _chosen(
    tags: list[TagTarget],
    filters: ImageFilter,
    patterns: Sequence[re.Pattern[str]],
    *,
    is_part: bool,
) -> list[TagTarget] | None:
    """Those of an image's tags that pass; None when the image does not."""
    if not tags and is_part and not filters.include_intermediate:
        return None
    if filters.dangling is not None and filters.dangling != (not tags and not is_part):
        return None
    if not patterns:
        return tags
    return [target for target in tags if _fits(target, patterns)] or None


def list_names(connection: Connection, prefix: str, limit: int) -> tuple[Reference, ...]:
    """See `store.store.Store.names`."""
    repository, colon, _ = prefix.rpartition(":")
    # Behind the last colon stands a tag, or a port.
    found = [
        *references.beginning_with(connection, prefix, limit),
        *(references.beginning_with(connection, repository) if colon else ()),
    ]
    names = {target.reference for target in found if target.reference.familiar.startswith(prefix)}
    return tuple(sorted(names, key=lambda name: name.familiar)[:limit])


def _fits(target: TagTarget, patterns: Iterable[re.Pattern[str]]) -> bool:
    """Docker's ``reference.FamiliarMatch``: the whole name as docker shows it, or the name without its tag."""
    name = target.reference
    return any(
        pattern.fullmatch(text)
        for pattern in patterns
        for text in (name.familiar, name.repository.familiar)
    )


# --- manifests that stand for no image ------------------------------------------------------------


def list_manifests(
    connection: Connection, filters: ImageFilter | None
) -> tuple[ManifestSummary, ...]:
    """See `store.store.Store.manifests`."""
    filters = filters or ImageFilter()
    if filters.labels or filters.before or filters.since:
        # These speak of images.
        return ()
    after = None if filters.after is None else _manifest_position(connection, filters.after)
    return tuple(islice(_passing_manifests(connection, filters, after), filters.limit))


def _passing_manifests(
    connection: Connection, filters: ImageFilter, after: Digest | None
) -> Iterator[ManifestSummary]:
    patterns = [compile_pattern(text) for text in filters.references]
    while some := manifests.without_image(
        connection,
        after=after,
        limit=_PIECE if filters.limit is None else min(_PIECE, filters.limit or 1),
    ):
        after = some[-1].digest
        for one in some:
            tags = references.of_manifest(connection, one.key)
            if any(target.image is not None for target in tags) or (
                filters.dangling is not None and filters.dangling == bool(tags)
            ):
                continue
            names = [target for target in tags if not patterns or _fits(target, patterns)]
            if names or not patterns:
                yield summary_of(one, names)


def _manifest_position(connection: Connection, name: str) -> Digest | None:
    """The digest of the manifest that a page ended with; None when that was an image.

    Raises ImageNotFound when it is neither.
    """
    digest = parse_full_id(name)
    if digest is None or manifests.key_of(connection, digest) is None:
        return None
    try:
        resolve_image(connection, name)
    except ImageNotFound:
        return digest
    return None


def summary_of(one: manifests.ManifestRow, tags: Sequence[TagTarget]) -> ManifestSummary:
    """A manifest with those of its tags that are wanted."""
    return ManifestSummary(
        one.digest,
        tuple(target.reference for target in tags),
        one.media_type,
        one.kind,
        one.artifact_type,
        one.subject,
        one.size_bytes,
    )
