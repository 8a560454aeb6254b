"""Small images in a store."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from store import ImageID
from store.catalog import images
from tests.support.images import config, image

if TYPE_CHECKING:
    from store import Store


def put_image(
    store: Store,
    *layers: bytes,
    tags: tuple[str, ...] = (),
    labels: dict[str, str] | None = None,
    **members: object,
) -> ImageID:
    """Import an image of these layers; return its ID.

    Args:
        store: Receives the image.
        layers: The uncompressed layers, base first.
        tags: Full or familiar names with a tag.
        labels: Labels for the config, or None for a config without labels.
        members: Further members of the config.
    """
    extra = {"config": {"Labels": labels}} if labels else {}
    store.import_archive(io.BytesIO(image(*layers, tags=tags, **extra, **members).bytes()))
    return ImageID.of(config(*layers, **extra, **members))


def set_parent(store: Store, child: ImageID, parent: ImageID) -> None:
    """Record ``parent`` as an image's parent, as if one archive with both had been imported."""
    with store.write("test") as connection:
        keys = [images.key_of(connection, image_id) for image_id in (child, parent)]
        assert None not in keys
        images.set_parent(connection, *(key for key in keys if key is not None))
