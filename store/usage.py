"""What lies in the store, and what of it a collection would free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from store.catalog import images, references, statistics
from store.model import ImageUsage, Usage, UsageRow
from store.queries import moment

if TYPE_CHECKING:
    from sqlalchemy import Connection


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
