"""Tags that still name what was pulled through, and the content that they keep in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, select

from store.catalog.batches import batches
from store.db.schema import content, manifest_edge, reference, repository
from store.db.types import ContentKey
from store.db.upstream_schema import upstream_tag
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection


class Pulled(NamedTuple):
    """A tag that names what was pulled through.

    Attributes:
        reference: The repository and the tag.
        manifest: The row number of its manifest or index.
        checked_at: When the upstream registry last said that the tag has this digest.
    """

    reference: Reference
    manifest: ContentKey
    checked_at: datetime


def pulled(connection: Connection) -> list[Pulled]:
    """Return the tags that name what was pulled through, the one that was checked last first.

    A tag that a push, an import or `tag` has set since then is left out.

    Args:
        connection: A read unit.
    """
    query = (
        select(
            upstream_tag.c.repository,
            upstream_tag.c.tag,
            reference.c.manifest_id,
            upstream_tag.c.checked_at,
        )
        .join_from(upstream_tag, repository, repository.c.name == upstream_tag.c.repository)
        .join(
            reference,
            and_(
                reference.c.repository_id == repository.c.id, reference.c.tag == upstream_tag.c.tag
            ),
        )
        .join(
            content,
            and_(
                content.c.id == reference.c.manifest_id, content.c.digest == upstream_tag.c.digest
            ),
        )
    )
    found = [
        Pulled(Reference(Repository(*name.split("/", 1)), tag), ContentKey(key), checked_at)
        for name, tag, key, checked_at in connection.execute(query)
    ]
    return sorted(found, key=lambda one: (one.checked_at, str(one.reference)), reverse=True)


def sizes(connection: Connection, manifests: Iterable[ContentKey]) -> dict[ContentKey, int]:
    """Return the sizes of manifests, their configs and their layers, in bytes, by row number.

    Args:
        connection: A read unit.
        manifests: The row numbers of the manifests and indexes.
    """
    found: dict[ContentKey, int] = {}
    for some in batches(sorted(manifests)):
        listed = select(manifest_edge.c.content_id).where(
            manifest_edge.c.manifest_id.in_(some), manifest_edge.c.role != "child"
        )
        for keys in (some, [ContentKey(one) for one in connection.execute(listed).scalars()]):
            for part in batches(sorted(set(keys))):
                query = select(content.c.id, content.c.size_bytes).where(
                    content.c.id.in_(part), content.c.state == "present"
                )
                found.update((ContentKey(key), size) for key, size in connection.execute(query))
    return found
