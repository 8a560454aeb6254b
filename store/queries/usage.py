"""What lies in the store, and what of it a collection would free."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from store.catalog import references
from store.catalog import usage as statistics
from store.catalog.batches import batches
from store.catalog.lists import image_list
from store.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.model.digests import ImageID
    from store.model.references import Reference


def usage(connection: Connection, *, each: bool) -> Usage:
    """See `store.store.Store.usage` (without the database file)."""
    every = statistics.images(connection)
    others = references.default_images_of_indexes(connection)
    active = statistics.named_images(connection) | others
    used = statistics.diffs_of_named(connection).union(
        *statistics.diffs_of(connection, others).values()
    )
    idle = statistics.diffs_of(connection, every - active)
    holders = Counter(diff for diffs in idle.values() for diff in diffs if diff not in used)
    layers = statistics.layer_sizes(connection)
    files = statistics.files(connection)
    return Usage(
        rows=(
            # What would go with the images that have no name: what only one of them has.
            UsageRow(
                "Images",
                len(every),
                len(active),
                statistics.size_of_images(connection),
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
                sum(size for diff, size in statistics.stored_sizes(connection) if diff not in used),
            ),
        ),
        images=tuple(_of_each(connection)) if each else (),
        on_disk_bytes=files.size_bytes,
        database_bytes=0,
    )


def _of_each(connection: Connection) -> Iterator[ImageUsage]:
    sizes, shared = statistics.sizes(connection), statistics.shared_bytes(connection)
    for some in batches(_in_order(connection)):
        rows, tags = image_list.summaries(connection, some), references.of_images(connection, some)
        for key in some:
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
        place.key for place in image_list.positions_of(connection, statistics.images(connection))
    ]


def with_database(report: Usage, database_bytes: int) -> Usage:
    """The same report, counting the database file too."""
    return replace(
        report, on_disk_bytes=report.on_disk_bytes + database_bytes, database_bytes=database_bytes
    )


@final
@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of ``df``.

    ``active``: images with a tag, or the layers of these; ``reclaimable_bytes``: what would be free
    without all others.
    """

    kind: str
    count: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


@final
@dataclass(frozen=True, slots=True)
class ImageUsage:
    """One image's part of the store: its layers uncompressed, the part no other image uses, and the part others share."""

    image_id: ImageID
    references: tuple[Reference, ...]
    size_bytes: int
    shared_bytes: int
    unique_bytes: int
    created: datetime | None


@final
@dataclass(frozen=True, slots=True)
class Usage:
    """The whole of ``df``: rows for images, layers and blobs.

    ``on_disk_bytes`` counts files and the database.
    """

    rows: tuple[UsageRow, ...]
    images: tuple[ImageUsage, ...]
    on_disk_bytes: int
    database_bytes: int
