"""The space that the store takes, and the space that garbage collection would free."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from store.catalog import references
from store.catalog import usage as catalog_usage
from store.catalog.batches import batches
from store.catalog.checking import scrub
from store.catalog.lists import image_list
from store.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.checking.scrub import CheckedContent
    from store.db.types import ContentKey
    from store.maintenance.reports import CollectionReport, Kept
    from store.model.digests import ImageID
    from store.model.references import Reference


def usage(connection: Connection, *, each: bool) -> Usage:
    """Return how much space images, layers and blobs take. The catalogue is not counted.

    Args:
        connection: A read unit.
        each: Whether to list every image in addition to the sums.
    """
    images = catalog_usage.images(connection)
    in_indexes = references.images_of_indexes(connection)
    active = catalog_usage.named_images(connection) | in_indexes
    used = catalog_usage.diffs_of_named(connection).union(
        *catalog_usage.diffs_of(connection, in_indexes).values()
    )
    idle = catalog_usage.diffs_of(connection, images - active)
    holders = Counter(diff for diffs in idle.values() for diff in diffs if diff not in used)
    layers = catalog_usage.layer_sizes(connection)
    files = catalog_usage.files(connection)
    return Usage(
        rows=(
            # Removing one image does not free a layer that it shares with other unnamed images.
            UsageRow(
                "Images",
                len(images),
                len(active),
                catalog_usage.size_of_images(connection),
                sum(layers[diff] for diff in holders if holders[diff] == 1),
            ),
            UsageRow(
                "Layers",
                len(layers),
                len(used),
                sum(layers.values()),
                sum(size for diff, size in layers.items() if diff not in used),
            ),
            UsageRow(
                "Blobs",
                files.count,
                files.count,
                files.size_bytes,
                0,
            ),
        ),
        images=tuple(_of_each(connection)) if each else (),
        on_disk_bytes=files.size_bytes,
        database_bytes=0,
        checked=scrub.checked(connection),
    )


def _of_each(connection: Connection) -> Iterator[ImageUsage]:
    sizes, shared = catalog_usage.sizes(connection), catalog_usage.shared_bytes(connection)
    for keys in batches(_in_order(connection)):
        rows, tags = image_list.summaries(connection, keys), references.of_images(connection, keys)
        for key in keys:
            yield ImageUsage(
                image_id=rows[key].image_id,
                references=tuple(target.reference for target in tags.get(key, ())),
                size_bytes=sizes.get(key, 0),
                shared_bytes=shared.get(key, 0),
                unique_bytes=sizes.get(key, 0) - shared.get(key, 0),
                created=moment(rows[key].created_s),
            )


def _in_order(connection: Connection) -> list[ContentKey]:
    return [
        position.key
        for position in image_list.positions_of(connection, catalog_usage.images(connection))
    ]


def completed(
    report: Usage,
    *,
    database_bytes: int,
    other_bytes: int,
    reserve_bytes: int = 0,
    collection: CollectionReport,
) -> Usage:
    """Return the report with the facts that are not in the catalogue.

    Args:
        report: A report that counts only blobs.
        database_bytes: The size of the catalogue on disk.
        other_bytes: The size of the files of uploads and operations.
        reserve_bytes: The size of the reserve.
        collection: The result of a dry run of a collection. It frees files in blobs, and other
            files.
    """
    *others, blobs = report.rows
    return replace(
        report,
        rows=(*others, replace(blobs, reclaimable_bytes=collection.prunable_bytes)),
        on_disk_bytes=report.on_disk_bytes + database_bytes + other_bytes + reserve_bytes,
        database_bytes=database_bytes,
        reserve_bytes=reserve_bytes,
        collectable_bytes=collection.freed_bytes,
        prunable_bytes=collection.prunable_bytes,
        kept=collection.kept,
    )


@final
@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of ``df``.

    Attributes:
        kind: ``Images``, ``Layers`` or ``Blobs``.
        count: The number of images, layers or blobs.
        active: How many images have a tag or are in an index with a tag, or how many layers
            such images have. For blobs, the same as ``count``.
        size_bytes: The total size of the images, layers or blobs.
        reclaimable_bytes: How many bytes the removal of inactive images would free.
    """

    kind: str
    count: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


@final
@dataclass(frozen=True, slots=True)
class ImageUsage:
    """The space that one image takes. All sizes are sizes of uncompressed layers.

    Attributes:
        image_id: The image's ID.
        references: The image's tags.
        size_bytes: The size of all layers.
        shared_bytes: The size of layers that other images use as well.
        unique_bytes: The size of layers that no other image uses.
        created: The creation time in the config; None if the config has none.
    """

    image_id: ImageID
    references: tuple[Reference, ...]
    size_bytes: int
    shared_bytes: int
    unique_bytes: int
    created: datetime | None


@final
@dataclass(frozen=True, slots=True)
class Usage:
    """The result of ``df``.

    Attributes:
        rows: The sums for images, layers and blobs.
        images: The space of each image; empty if only sums were requested.
        on_disk_bytes: The size of all blobs and the catalogue on disk.
        database_bytes: The size of the catalogue on disk.
        collectable_bytes: How many bytes a collection would free.
        prunable_bytes: How many bytes a collection would free that removes untagged images as well.
        checked: How many contents are stored and damaged, and the oldest check.
        kept: What a collection would keep although no image with a name needs it.
        reserve_bytes: The size of the space that the store keeps for a full disk.
    """

    rows: tuple[UsageRow, ...]
    images: tuple[ImageUsage, ...]
    on_disk_bytes: int
    database_bytes: int
    checked: CheckedContent
    collectable_bytes: int = 0
    prunable_bytes: int = 0
    kept: tuple[Kept, ...] = ()
    reserve_bytes: int = 0
