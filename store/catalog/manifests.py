"""Manifests and indexes: what they point at, what refers to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from sqlalchemy import insert, select

from store.catalog import labels
from store.catalog.content import batches
from store.db.schema import manifest, manifest_edge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.manifests import Link


@final
@dataclass(frozen=True, slots=True)
class Edge:
    """A manifest's link, and the content it leads to."""

    link: Link
    target: ContentKey


@final
@dataclass(frozen=True, slots=True)
class NewManifest:
    """What the catalogue keeps of a manifest or index."""

    key: ContentKey
    kind: str
    media_type: str
    artifact_type: str
    image: ContentKey | None
    subject: ContentKey | None
    edges: Sequence[Edge]
    annotations: Mapping[str, str] = field(default_factory=dict)


def add(connection: Connection, new: Sequence[NewManifest]) -> set[ContentKey]:
    """Make manifests with their edges and annotations; which were not there."""
    there: set[int] = set()
    for some in batches([one.key for one in new]):
        there.update(connection.execute(select(manifest.c.content_id).where(manifest.c.content_id.in_(some))).scalars())
    fresh = {one.key: one for one in new if one.key not in there}
    if not fresh:
        return set()
    connection.execute(insert(manifest), [_row(one) for one in fresh.values()])
    edges = [_edge_row(one.key, edge) for one in fresh.values() for edge in one.edges]
    if edges:
        connection.execute(insert(manifest_edge), edges)
    labels.put(connection, {key: one.annotations for key, one in fresh.items()})
    return set(fresh)


def _row(one: NewManifest) -> dict[str, object]:
    return {
        "content_id": one.key,
        "media_type": one.media_type,
        "kind": one.kind,
        "subject_id": one.subject,
        "artifact_type": one.artifact_type or None,
        "image_id": one.image,
    }


def _edge_row(key: ContentKey, edge: Edge) -> dict[str, object]:
    link = edge.link
    return {
        "manifest_id": key,
        "role": link.role.value,
        "position": link.position,
        "content_id": edge.target,
        "media_type": link.target.media_type,
        "platform": None if link.platform is None else dict(link.platform),
        "annotations": dict(link.annotations) or None,
        "urls": {"urls": list(link.urls)} if link.urls else None,
    }
