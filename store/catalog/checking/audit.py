"""A query for the images whose layers have to be compared with their config by fsck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from store.db.schema import (
    content,
    manifest,
    reference,
    repository,
)
from store.model.contents import DiffState
from store.model.digests import Digest, ImageID

if TYPE_CHECKING:
    from sqlalchemy import Connection


def unproven(connection: Connection) -> tuple[tuple[Digest, ImageID, tuple[str, ...]], ...]:
    """Return every manifest of an image whose layers are not known to be those of its config.

    Returns:
        Tuples (digest of the manifest, image, names of the manifest), by digest.
    """
    config = content.alias("config")
    names: dict[tuple[Digest, ImageID], list[str]] = {}
    for row in connection.execute(
        select(content.c.digest, config.c.digest.label("image"), repository.c.name, reference.c.tag)
        .join(manifest, manifest.c.content_id == content.c.id)
        .join(config, config.c.id == manifest.c.image_id)
        .outerjoin(reference, reference.c.manifest_id == manifest.c.content_id)
        .outerjoin(repository, repository.c.id == reference.c.repository_id)
        .where(manifest.c.diff_state != DiffState.VERIFIED.value)
        .order_by(content.c.digest, repository.c.name, reference.c.tag)
    ):
        known = names.setdefault((row.digest, ImageID(row.image)), [])
        if row.name is not None:
            known.append(f"{row.name}:{row.tag}")
    return tuple((digest, image_id, tuple(some)) for (digest, image_id), some in names.items())
