"""Diff states: whether the layers of each image decode to the diff IDs in its config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, bindparam, exists, func, literal, select, update

from store.catalog.batches import batches
from store.db.schema import (
    content,
    encoding,
    image,
    layer,
    manifest,
    manifest_edge,
    repository,
    repository_content,
)
from store.db.types import ContentKey
from store.model.contents import ContentState, DiffState
from store.model.digests import ImageID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from store.model.digests import Digest


def diff_state(connection: Connection, image_key: ContentKey) -> str:
    """Return an image's `DiffState` value: whether its layers decode to their diff IDs."""
    return str(
        connection.execute(
            select(image.c.diff_state).where(image.c.content_id == image_key)
        ).scalar_one()
    )


def diff_states(connection: Connection, image_digests: Iterable[Digest]) -> dict[Digest, DiffState]:
    """Return the diff states of many images; digests that are not image IDs are left out.

    Args:
        connection: An open transaction.
        image_digests: Digests of configs.
    """
    found: dict[Digest, DiffState] = {}
    for some in batches(list(dict.fromkeys(image_digests))):
        query = (
            select(content.c.digest, image.c.diff_state)
            .join(image, image.c.content_id == content.c.id)
            .where(content.c.digest.in_(some))
        )
        found.update((row.digest, DiffState(row.diff_state)) for row in connection.execute(query))
    return found


def set_diff_states(connection: Connection, states: Mapping[ContentKey, DiffState]) -> None:
    """Record the result of a verification for images, by their row numbers."""
    _set_states(connection, image, states)


def manifest_states(
    connection: Connection, manifest_digests: Iterable[Digest]
) -> dict[Digest, tuple[ImageID, DiffState]]:
    """Return the image and the diff state of manifests; manifests without an image are left out.

    Args:
        connection: An open transaction.
        manifest_digests: Digests of manifests.
    """
    config = content.alias("config")
    found: dict[Digest, tuple[ImageID, DiffState]] = {}
    for some in batches(list(dict.fromkeys(manifest_digests))):
        query = (
            select(content.c.digest, config.c.digest.label("image_id"), manifest.c.diff_state)
            .join(manifest, manifest.c.content_id == content.c.id)
            .join(config, config.c.id == manifest.c.image_id)
            .where(content.c.digest.in_(some))
        )
        found.update(
            (row.digest, (ImageID(row.image_id), DiffState(row.diff_state)))
            for row in connection.execute(query)
        )
    return found


def set_manifest_states(connection: Connection, states: Mapping[ContentKey, DiffState]) -> None:
    """Record the result of a verification for manifests, by their row numbers."""
    _set_states(connection, manifest, states)


def _set_states(
    connection: Connection, table: Table, states: Mapping[ContentKey, DiffState]
) -> None:
    if states:
        connection.execute(
            update(table)
            .where(table.c.content_id == bindparam("key"))
            .values(diff_state=bindparam("state")),
            [{"key": key, "state": state.value} for key, state in states.items()],
        )


def unverified_images(
    connection: Connection, *, after: Digest | None = None, limit: int
) -> list[tuple[Digest, str]]:
    """Return a page of the images with a manifest whose layers have not been decoded yet.

    Args:
        connection: An open transaction.
        after: The last digest of the previous page; None for the first page.
        limit: The largest number of images to return.

    Returns:
        The digest of each image's config, sorted, with the full name of a repository that holds
        the image; an empty name if no repository does.
    """
    holder = (
        select(func.min(repository.c.name))
        .join(repository_content, repository_content.c.repository_id == repository.c.id)
        .join(manifest, manifest.c.content_id == repository_content.c.content_id)
        .where(manifest.c.image_id == image.c.content_id, manifest.c.diff_state == "unverified")
        .scalar_subquery()
    )
    waits = exists(
        select(literal(1)).where(
            manifest.c.image_id == image.c.content_id, manifest.c.diff_state == "unverified"
        )
    )
    query = (
        select(content.c.digest, holder.label("holder"))
        .join(image, image.c.content_id == content.c.id)
        .where(waits)
        .order_by(content.c.digest)
        .limit(limit)
    )
    if after is not None:
        query = query.where(content.c.digest > after)
    return [(row.digest, row.holder or "") for row in connection.execute(query)]


def has_unverified(connection: Connection, image_key: ContentKey) -> bool:
    """Return whether an image has a manifest whose layers have not been decoded yet."""
    waiting = exists(
        select(literal(1)).where(
            manifest.c.image_id == image_key, manifest.c.diff_state == "unverified"
        )
    )
    return bool(connection.execute(select(waiting)).scalar())


def unverified_layers(
    connection: Connection, image_key: ContentKey
) -> dict[ContentKey, list[tuple[Digest, ContentState]]]:
    """Return the layers of each manifest of an image that is not verified.

    Returns:
        For each manifest its layers as (digest, state), base first.
    """
    query = (
        select(manifest.c.content_id, content.c.digest, content.c.state)
        .join(
            manifest_edge,
            and_(
                manifest_edge.c.manifest_id == manifest.c.content_id,
                manifest_edge.c.role == "layer",
            ),
        )
        .join(content, content.c.id == manifest_edge.c.content_id)
        .where(manifest.c.image_id == image_key, manifest.c.diff_state != "verified")
        .order_by(manifest.c.content_id, manifest_edge.c.position)
    )
    found: dict[ContentKey, list[tuple[Digest, ContentState]]] = {}
    for row in connection.execute(query):
        found.setdefault(ContentKey(row.content_id), []).append(
            (row.digest, ContentState(row.state))
        )
    return found


def checked_layers(connection: Connection, digests: Iterable[Digest]) -> set[Digest]:
    """Return the digests of ``digests`` that are known to be layers without compression.

    A verified manifest lists such a digest as a layer, and the digest does not decode to others.

    Args:
        connection: An open transaction.
        digests: Digests of blobs.
    """
    found: set[Digest] = set()
    for some in batches(list(dict.fromkeys(digests))):
        found.update(connection.execute(_CHECKED_LAYERS, {"digests": some}).scalars())
    return found


_CHECKED_LAYERS: Final = select(content.c.digest).where(
    content.c.digest.in_(bindparam("digests", expanding=True)),
    exists(
        select(literal(1))
        .select_from(manifest_edge)
        .join(manifest, manifest.c.content_id == manifest_edge.c.manifest_id)
        .where(
            manifest_edge.c.content_id == content.c.id,
            manifest_edge.c.role == "layer",
            manifest.c.diff_state == "verified",
        )
    ),
    ~exists(select(literal(1)).where(encoding.c.stored_id == content.c.id)),
)


def mark_verified(connection: Connection, keys: Sequence[ContentKey]) -> bool:
    """Record that every layer of these images decodes to its diff ID.

    Returns:
        Whether the state of any image changed.
    """
    changed = 0
    for some in batches(keys):
        changed += connection.execute(
            update(image)
            .where(image.c.content_id.in_(some), image.c.diff_state != "verified")
            .values(diff_state="verified")
        ).rowcount
    return changed > 0


def completed_by(connection: Connection, diffs: Sequence[ContentKey]) -> list[ContentKey]:
    """Return the unverified images that contain any of ``diffs`` and have no absent layer."""
    found: list[ContentKey] = []
    for some in batches(diffs):
        above = select(layer.c.id).where(layer.c.diff_id.in_(some)).cte("above", recursive=True)
        above = above.union(select(layer.c.id).join(above, layer.c.parent_id == above.c.id))
        waiting = (
            select(image.c.content_id, image.c.top_layer_id)
            .join(above, above.c.id == image.c.top_layer_id)
            # A wrong layer that a client pushed does not become right by an import of the diff.
            .where(image.c.diff_state == "unverified")
            .cte()
        )
        below = select(waiting.c.content_id, waiting.c.top_layer_id.label("layer_id")).cte(
            "below", recursive=True
        )
        below = below.union(
            select(below.c.content_id, layer.c.parent_id)
            .join(layer, layer.c.id == below.c.layer_id)
            .where(layer.c.parent_id.is_not(None))
        )
        lacking = (
            select(below.c.content_id)
            .join(layer, layer.c.id == below.c.layer_id)
            .join(content, content.c.id == layer.c.diff_id)
            .where(content.c.state == "absent")
        )
        query = select(waiting.c.content_id).where(waiting.c.content_id.not_in(lacking))
        found += [ContentKey(key) for key in connection.execute(query).scalars()]
    return found
