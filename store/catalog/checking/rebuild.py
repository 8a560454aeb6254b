"""Rows that are derived from documents and files, written again after they were found wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from store.catalog import layers
from store.catalog.batches import insert_rows
from store.catalog.documents import put_labels
from store.db.schema import content, encoding, image, label, layer, manifest, manifest_edge
from store.db.types import ContentKey, LayerKey, inserted
from store.model.digests import ChainID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from store.catalog.images import NewImage
    from store.catalog.manifests import Edge
    from store.model.digests import DiffID, Digest


def ensure_chain(
    connection: Connection, diffs: Sequence[tuple[DiffID, ContentKey]]
) -> ChainID | None:
    """Correct and insert the rows of a chain of layers as needed.

    Args:
        connection: A write unit.
        diffs: The layers of an image, base first, as (diff ID, its row number).

    Returns:
        The chain ID of the top layer; None for an image without layers.
    """
    below: LayerKey | None = None
    chain_ids = ChainID.each([diff for diff, _ in diffs]) if diffs else ()
    for depth, (chain_id, (_, key)) in enumerate(zip(chain_ids, diffs, strict=True), start=1):
        values = {"parent_id": below, "diff_id": key, "depth": depth}
        row = connection.execute(
            select(layer.c.id, layer.c.parent_id, layer.c.diff_id, layer.c.depth).where(
                layer.c.chain_id == chain_id.digest
            )
        ).one_or_none()
        if row is None:
            made = connection.execute(insert(layer).values(chain_id=chain_id.digest, **values))
            below = LayerKey(inserted(made))
            continue
        if (row.parent_id, row.diff_id, row.depth) != (below, key, depth):
            connection.execute(update(layer).where(layer.c.id == row.id).values(**values))
        below = LayerKey(row.id)
    return chain_ids[-1] if chain_ids else None


def set_image(connection: Connection, key: ContentKey, new: NewImage) -> None:
    """Write the facts of a config into the row of its image.

    Args:
        connection: A write unit.
        key: The row number of the config.
        new: The facts.
    """
    connection.execute(
        update(image)
        .where(image.c.content_id == key)
        .values(
            top_layer_id=layers.key_of(new.top),
            os=new.os,
            architecture=new.architecture,
            variant=new.variant,
            created_s=new.created_s,
        )
    )
    set_labels(connection, key, new.labels)


def set_labels(connection: Connection, key: ContentKey, labels: Mapping[str, str]) -> None:
    """Replace the recorded labels of an image, or the annotations of a manifest."""
    connection.execute(delete(label).where(label.c.content_id == key))
    put_labels(connection, {key: labels})


def set_manifest(
    connection: Connection,
    key: ContentKey,
    *,
    kind: str,
    artifact_type: str | None,
    image_key: ContentKey | None,
    subject: ContentKey | None,
) -> None:
    """Write the facts of a document into the row of its manifest.

    Args:
        connection: A write unit.
        key: The row number of the manifest.
        kind: "manifest" or "index".
        artifact_type: The artifact type; None if it has none.
        image_key: The row number of its image; None if it describes none.
        subject: The row number of its subject; None if it has none.
    """
    values: dict[str, object] = {
        "kind": kind,
        "artifact_type": artifact_type,
        "subject_id": subject,
        "image_id": image_key,
    }
    known = connection.execute(
        select(manifest.c.image_id).where(manifest.c.content_id == key)
    ).scalar()
    if known != image_key:
        # What was verified was another image.
        values["diff_state"] = None if image_key is None else "unverified"
    connection.execute(update(manifest).where(manifest.c.content_id == key).values(**values))


def replace_edges(connection: Connection, key: ContentKey, edges: Sequence[Edge]) -> None:
    """Write the links of a manifest again.

    Args:
        connection: A write unit.
        key: The row number of the manifest.
        edges: The links of its document.
    """
    connection.execute(delete(manifest_edge).where(manifest_edge.c.manifest_id == key))
    insert_rows(
        connection,
        manifest_edge,
        (
            {
                "manifest_id": key,
                "role": link.role.value,
                "position": link.position,
                "content_id": target,
                "media_type": link.target.media_type,
                "platform": None if link.platform is None else dict(link.platform),
                "annotations": dict(link.annotations) or None,
                "urls": {"urls": list(link.urls)} if link.urls else None,
            }
            for link, target in ((edge.link, edge.target) for edge in edges)
        ),
    )


def all_images(connection: Connection) -> list[Digest]:
    """Return the digests of the configs of all images."""
    query = select(content.c.digest).join(image, image.c.content_id == content.c.id)
    return list(connection.execute(query.order_by(content.c.digest)).scalars())


def set_size(connection: Connection, digest: Digest, size_bytes: int) -> None:
    """Record the size of a content."""
    connection.execute(
        update(content).where(content.c.digest == digest).values(size_bytes=size_bytes)
    )


def distrust_encodings(connection: Connection, digest: Digest) -> None:
    """Record that nothing is proven about the encodings stored in a blob.

    They are decoded and compared before a part of them is used, as those of an old store.

    Args:
        connection: A write unit.
        digest: The digest of the blob.
    """
    stored = select(content.c.id).where(content.c.digest == digest)
    connection.execute(
        update(encoding)
        .where(encoding.c.stored_id.in_(stored))
        .values(ours=False, checked=False, seekable=False)
    )
