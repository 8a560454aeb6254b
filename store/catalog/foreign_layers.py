"""Foreign layers: descriptors that list the download addresses of layers.

A descriptor is a claim of one image. It counts for this image only: other images may have the same
layer, and what one archive states must not change how they are saved.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import exists, insert, select

from store.catalog.batches import batches
from store.db.schema import content, foreign_source
from store.db.types import ContentKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from store.model.digests import Digest


def is_foreign(connection: Connection, key: ContentKey) -> bool:
    """Return whether any image gives a download address for a layer."""
    return bool(
        connection.execute(select(exists().where(foreign_source.c.content_id == key))).scalar()
    )


def put_foreign_source(
    connection: Connection, image: ContentKey, diff: ContentKey, descriptor: bytes
) -> bool:
    """Record the descriptor of an image's foreign layer; return whether the descriptor was new.

    Every descriptor is kept, so that the order of imports does not matter.

    Args:
        connection: An open write transaction.
        image: Row number of the image.
        diff: Row number of the layer's diff ID.
        descriptor: JSON bytes with the addresses.
    """
    if connection.execute(
        select(
            exists().where(
                foreign_source.c.image_id == image,
                foreign_source.c.content_id == diff,
                foreign_source.c.descriptor == descriptor,
            )
        )
    ).scalar():
        return False
    connection.execute(
        insert(foreign_source).values(image_id=image, content_id=diff, descriptor=descriptor)
    )
    return True


def foreign_sources(
    connection: Connection, images: Iterable[ContentKey]
) -> dict[ContentKey, dict[Digest, bytes]]:
    """Return the descriptor to list for each foreign layer of each image, as JSON bytes.

    If an image has several descriptors of a layer, the smallest is returned, so that the order of
    imports does not matter. Images without foreign layers are left out.
    """
    chosen: dict[ContentKey, dict[Digest, bytes]] = {}
    for some in batches(list(dict.fromkeys(images))):
        rows = connection.execute(
            select(foreign_source.c.image_id, content.c.digest, foreign_source.c.descriptor)
            .join_from(foreign_source, content)
            .where(foreign_source.c.image_id.in_(some))
        )
        for key, digest, descriptor in rows:
            of_image = chosen.setdefault(ContentKey(key), {})
            of_image[digest] = min(descriptor, of_image.get(digest, descriptor))
    return chosen


def foreign_urls(connection: Connection, image: ContentKey) -> dict[Digest, tuple[str, ...]]:
    """Return the download addresses of each foreign layer of an image."""
    return {
        digest: tuple(json.loads(descriptor).get("urls", ()))
        for digest, descriptor in foreign_sources(connection, (image,)).get(image, {}).items()
    }
