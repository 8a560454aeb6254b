"""Lists of images and of manifests, page by page, from one snapshot.

The cost of a page does not depend on the size of the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from store.catalog import images, manifests, references
from store.catalog.lists import digest_references, image_list
from store.formats.golang.path_match import compile_pattern, literal_start
from store.model.digests import ImageID
from store.model.moments import moment
from store.names.resolve import parse_full_id, resolve_image
from store.queries.results import ImageFilter, ImageSummary, ManifestSummary, TaggedReference

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from store.catalog.lists.digest_references import DigestTarget
    from store.catalog.lists.image_list import ListPosition
    from store.catalog.references import TagTarget
    from store.db.types import ContentKey
    from store.model.digests import Digest
    from store.model.references import Reference


_BATCH: Final = 900
"""How many images one statement reads."""


# --- images ---------------------------------------------------------------------------------------


def each_image(connection: Connection, filters: ImageFilter | None) -> Iterator[ImageSummary]:
    """Yield the images that pass ``filters``, newest first.

    Args:
        connection: A read unit.
        filters: The images to list; None for all.

    Raises:
        ImageNotFound: A filter names an image that does not exist.
    """
    filters = filters or ImageFilter()
    after = None
    if filters.after is not None:
        if _manifest_position(connection, filters.after) is not None:
            return
        after = image_list.position_of(connection, resolve_image(connection, filters.after).key)
    yield from islice(_passing(connection, filters, after), filters.limit)


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
    lists_all = not filters.references and not filters.labels and filters.limit is None
    sizes = image_list.every_total_size(connection) if lists_all else None
    for positions in _candidates(connection, filters, after):
        keys = [
            position.key
            for position in positions
            if (before is None or (position.created_s or 0) < before)
            and (since is None or (position.created_s or 0) > since)
        ]
        if keys:
            yield from _summaries(connection, keys, filters, patterns, sizes)


def _candidates(
    connection: Connection, filters: ImageFilter, after: ListPosition | None
) -> Iterator[list[ListPosition]]:
    """Yield batches of images that may pass the filters, newest first.

    The images come from the database's index of names or labels if a filter is about names or
    labels. Otherwise they come from the index of creation times.
    """
    named = None if not filters.references else _with_names(connection, filters)
    labelled = None if not filters.labels else image_list.with_labels(connection, filters.labels)
    if named is not None or labelled is not None:
        keys = labelled if named is None else named if labelled is None else named & labelled
        ordered = [
            position
            for position in image_list.positions_of(connection, keys or ())
            if after is None or position.order > after.order
        ]
        for start in range(0, len(ordered), _BATCH):
            yield ordered[start : start + _BATCH]
        return
    size = _BATCH if filters.limit is None else min(_BATCH, max(1, filters.limit))
    while positions := image_list.positions(connection, after=after, limit=size):
        yield positions
        after = positions[-1]
        # If few images pass, read larger batches.
        size = min(_BATCH, 2 * size)


def _with_names(connection: Connection, filters: ImageFilter) -> set[ContentKey]:
    """Return the images with a tag that matches one of the patterns for names."""
    patterns = [compile_pattern(text) for text in filters.references]
    literal = (literal_start(text) for text in filters.references)
    targets: list[TagTarget | DigestTarget] = []
    for start in {text.partition(":")[0].partition("@")[0] for text in literal}:
        targets += references.beginning_with(connection, start, choice=filters.choice)
        targets += digest_references.beginning_with(connection, start, filters.choice)
    return {
        target.image for target in targets if target.image is not None and _fits(target, patterns)
    }


def _summaries(
    connection: Connection,
    keys: list[ContentKey],
    filters: ImageFilter,
    patterns: Sequence[re.Pattern[str]],
    sizes: Mapping[ContentKey, int] | None,
) -> Iterator[ImageSummary]:
    rows = image_list.summaries(connection, keys)
    keys = [key for key in keys if filters.choice.fits(rows[key].platform)]
    tags = references.of_images(connection, keys, filters.choice)
    digests = digest_references.of_images(connection, keys, filters.choice)
    inside = manifests.parts_of_named_indexes(connection, keys)
    passing_names = {
        key: _passing_names(
            tags.get(key, []),
            digests.get(key, []),
            filters,
            patterns,
            is_part=rows[key].has_children or key in inside,
        )
        for key in keys
    }
    passing = [key for key in keys if passing_names[key] is not None]
    if sizes is None:
        sizes = image_list.total_sizes(connection, passing)
    described = image_list.manifest_digests(connection, passing) if filters.with_manifests else {}
    for key in passing:
        row, is_part = rows[key], rows[key].has_children or key in inside
        named = passing_names[key] or _Names()
        yield ImageSummary(
            image_id=row.image_id,
            references=tuple(
                TaggedReference(target.reference, target.digest) for target in named.tags
            ),
            digests=tuple(target.reference for target in named.digests),
            manifests=tuple(described.get(key, ())),
            created=moment(row.created_s),
            platform=row.platform,
            size_bytes=sizes.get(key, 0),
            parent=row.parent,
            dangling=key not in tags and not is_part,
            intermediate=key not in tags and is_part,
        )


@final
@dataclass(frozen=True, slots=True)
class _Names:
    tags: tuple[TagTarget, ...] = ()
    digests: tuple[DigestTarget, ...] = ()


def _passing_names(
    tags: Sequence[TagTarget],
    digests: Sequence[DigestTarget],
    filters: ImageFilter,
    patterns: Sequence[re.Pattern[str]],
    *,
    is_part: bool,
) -> _Names | None:
    """Return the names of an image that pass the filters, or None if the image does not pass.

    As in docker, an image without a tag is dangling, even if it has a digest reference.
    """
    if not tags and not digests and is_part and not filters.include_intermediate:
        return None
    if filters.dangling is not None and filters.dangling != (not tags and not is_part):
        return None
    if not patterns:
        return _Names(tuple(tags), tuple(digests))
    found = _Names(
        tuple(target for target in tags if _fits(target, patterns)),
        tuple(target for target in digests if _fits(target, patterns)),
    )
    return found if found.tags or found.digests else None


def list_names(connection: Connection, prefix: str, limit: int) -> tuple[Reference, ...]:
    """Return tags whose familiar name begins with ``prefix``, sorted by that name.

    Args:
        connection: A read unit.
        prefix: The beginning of a name, in the form that docker shows.
        limit: The most tags to return.
    """
    # The text after the last colon is a tag or a port.
    repository, colon, tag = prefix.rpartition(":")
    found = [
        *references.beginning_with(connection, prefix, limit),
        *(
            references.with_tag_beginning(connection, repository, tag, limit)
            if colon and "/" not in tag
            else ()
        ),
    ]
    names = {target.reference for target in found if target.reference.familiar.startswith(prefix)}
    return tuple(sorted(names, key=lambda name: name.familiar)[:limit])


def _fits(target: TagTarget | DigestTarget, patterns: Iterable[re.Pattern[str]]) -> bool:
    """Return whether a pattern matches ``name:tag`` or ``name``, in the form that docker shows.

    Source: Docker's ``reference.FamiliarMatch``.
    """
    name = target.reference
    return any(
        pattern.fullmatch(text)
        for pattern in patterns
        for text in (name.familiar, name.repository.familiar)
    )


# --- manifests without an image -------------------------------------------------------------------


def list_manifests(
    connection: Connection, filters: ImageFilter | None
) -> tuple[ManifestSummary, ...]:
    """Return the artifacts, and the indexes without an image.

    Args:
        connection: A read unit.
        filters: The manifests to list; None for all.
    """
    filters = filters or ImageFilter()
    if filters.labels or filters.before or filters.since or filters.choice.wanted:
        # Artifacts and indexes have neither labels nor a creation time nor a platform.
        return ()
    after = None if filters.after is None else _manifest_position(connection, filters.after)
    return tuple(islice(_passing_manifests(connection, filters, after), filters.limit))


def _passing_manifests(
    connection: Connection, filters: ImageFilter, after: Digest | None
) -> Iterator[ManifestSummary]:
    patterns = [compile_pattern(text) for text in filters.references]
    limit = _BATCH if filters.limit is None else min(_BATCH, filters.limit or 1)
    while batch := manifests.without_image(connection, after=after, limit=limit):
        after = batch[-1].digest
        for row in batch:
            tags = references.of_manifest(connection, row.key)
            if any(target.image is not None for target in tags) or (
                filters.dangling is not None and filters.dangling == bool(tags)
            ):
                continue
            names = [target for target in tags if not patterns or _fits(target, patterns)]
            if names or not patterns:
                yield summary_of(row, names, digest_references.of_manifest(connection, row.key))


def _manifest_position(connection: Connection, name: str) -> Digest | None:
    """Return the digest of the manifest at the end of the previous page.

    Returns:
        The manifest's digest; None if the page ended with an image, or if ``name`` is unknown.
    """
    digest = parse_full_id(name)
    if digest is None or manifests.key_of(connection, digest) is None:
        return None
    return digest if images.key_of(connection, ImageID(digest)) is None else None


def summary_of(
    row: manifests.ManifestRow, tags: Sequence[TagTarget], digests: Sequence[DigestTarget]
) -> ManifestSummary:
    """Return the summary of a manifest.

    Args:
        row: The manifest's row.
        tags: The tags to show: all or some of the manifest's tags.
        digests: The digest references to the manifest.
    """
    return ManifestSummary(
        row.digest,
        tuple(target.reference for target in tags),
        tuple(target.reference for target in digests),
        row.media_type,
        row.kind,
        row.artifact_type,
        row.subject,
        row.size_bytes,
    )
