"""Manifests and indexes: what they point at, what refers to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from sqlalchemy import exists, insert, select

from store.db.schema import label, manifest, manifest_edge

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


def add(connection: Connection, new: NewManifest) -> bool:
    """Make a manifest with its edges and annotations; False when it was there."""
    if connection.execute(select(exists().where(manifest.c.content_id == new.key))).scalar():
        return False
    connection.execute(
        insert(manifest).values(
            content_id=new.key,
            media_type=new.media_type,
            kind=new.kind,
            subject_id=new.subject,
            artifact_type=new.artifact_type or None,
            image_id=new.image,
        )
    )
    rows = [
        {
            "manifest_id": new.key,
            "role": edge.link.role.value,
            "position": edge.link.position,
            "content_id": edge.target,
            "media_type": edge.link.target.media_type,
            "platform": None if edge.link.platform is None else dict(edge.link.platform),
            "annotations": dict(edge.link.annotations) or None,
            "urls": {"urls": list(edge.link.urls)} if edge.link.urls else None,
        }
        for edge in new.edges
    ]
    if rows:
        connection.execute(insert(manifest_edge), rows)
    known = set(connection.execute(select(label.c.key).where(label.c.content_id == new.key)).scalars())
    labels = [{"content_id": new.key, "key": key, "value": value} for key, value in new.annotations.items() if key not in known]
    if labels:
        connection.execute(insert(label), labels)
    return True
