"""Images: their rows, parents, the manifests that describe them, and the indexes they are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from sqlalchemy import Text, bindparam, literal, select, type_coerce, update
from sqlalchemy.dialects.sqlite import insert

from store.catalog import content as contents
from store.catalog.batches import batches
from store.catalog.documents import put_labels
from store.db.schema import content, image, kept, layer, manifest, manifest_edge, reference
from store.db.types import ContentKey
from store.formats.image.layout_names import ATTESTED
from store.model.digests import ChainID, ImageID
from store.model.platforms import DEFAULT_CHOICE, Platform, PlatformChoice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from store.formats.image.config import ImageConfig
    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class NewImage:
    """An image to record, with the fields of its config that the catalogue stores.

    Attributes:
        image_id: The digest of the config.
        top: The chain ID of the top layer, which is recorded; None for an image without layers.
        os: The operating system.
        architecture: The CPU architecture.
        variant: The variant of the architecture, or an empty string.
        created_s: Creation time as Unix time in seconds; None if it is not known.
        labels: The labels of the config.
        verified: Whether every layer was decoded and has its diff ID.
    """

    image_id: ImageID
    top: ChainID | None
    os: str
    architecture: str
    variant: str
    created_s: int | None
    labels: Mapping[str, str]
    verified: bool = True

    @classmethod
    def of(cls, config: ImageConfig, top: ChainID | None, *, verified: bool) -> Self:
        """Return the image to record for a config.

        Args:
            config: The parsed config.
            top: The chain ID of the top layer, which is recorded; None for no layers.
            verified: Whether every layer was decoded and has its diff ID.
        """
        return cls(
            image_id=config.image_id,
            top=top,
            os=config.os,
            architecture=config.architecture,
            variant=config.variant,
            created_s=None if config.created.is_zero else config.created.unix_seconds,
            labels=config.labels,
            verified=verified,
        )


def add(connection: Connection, new: Mapping[ContentKey, NewImage]) -> set[ContentKey]:
    """Insert images by the row numbers of their configs; return the row numbers that were new."""
    added: set[ContentKey] = set()
    for some in batches(list(new)):
        rows = [_row(key, new[key]) for key in some]
        added.update(map(ContentKey, connection.execute(_ADD, rows).scalars()))
    put_labels(connection, {key: new[key].labels for key in new if key in added})
    return added


def _row(key: ContentKey, one: NewImage) -> dict[str, object]:
    return {
        "content_id": key,
        "top": None if one.top is None else one.top.digest,
        "os": one.os,
        "architecture": one.architecture,
        "variant": one.variant,
        "created_s": one.created_s,
        "diff_state": "verified" if one.verified else "unverified",
    }


_ADD: Final = (
    insert(image)
    .values(
        top_layer_id=select(layer.c.id)
        .where(layer.c.chain_id == bindparam("top", type_=layer.c.chain_id.type))
        .scalar_subquery()
    )
    .on_conflict_do_nothing(index_elements=[image.c.content_id])
    .returning(image.c.content_id)
)


def key_of(connection: Connection, image_id: ImageID) -> ContentKey | None:
    """Return the row number of an image; None if there is no such image."""
    found = connection.execute(
        select(image.c.content_id)
        .join(content, content.c.id == image.c.content_id)
        .where(content.c.digest == image_id.digest)
    ).scalar()
    return None if found is None else ContentKey(found)


def with_prefix(
    connection: Connection, algorithm: str, prefix: str, limit: int
) -> tuple[ImageID, ...]:
    """Return images whose ID begins with some hex digits, sorted by ID.

    The query reads a range of the index, not the whole table.

    Args:
        connection: An open transaction.
        algorithm: The hash algorithm.
        prefix: The first hex digits of the ID, in lower case.
        limit: The most images to return.
    """
    low = f"{algorithm}:{prefix}"
    text = type_coerce(content.c.digest, Text)
    rows = connection.execute(
        select(content.c.digest)
        .join(image, image.c.content_id == content.c.id)
        # The bounds are text, because they are not complete digests. "g" follows every hex digit.
        .where(text >= low, text < low + "g")
        .order_by(content.c.digest)
        .limit(limit)
    )
    return tuple(ImageID(row.digest) for row in rows)


def ids_of(connection: Connection, keys: Iterable[ContentKey]) -> dict[ContentKey, ImageID]:
    """Return the ID of each of these images, by row number."""
    return {key: ImageID(digest) for key, digest in contents.digests_of(connection, keys).items()}


def parents_of(connection: Connection, keys: Iterable[ContentKey]) -> dict[ContentKey, ImageID]:
    """Return the image that each of these images was built on; unknown parents are left out."""
    found: dict[ContentKey, ImageID] = {}
    for some in batches(list(keys)):
        query = (
            select(image.c.content_id, content.c.digest)
            .join(content, content.c.id == image.c.parent_id)
            .where(image.c.content_id.in_(some))
        )
        found.update(
            (ContentKey(row.content_id), ImageID(row.digest)) for row in connection.execute(query)
        )
    return found


def keys_of(connection: Connection, ids: Iterable[ImageID]) -> dict[ImageID, ContentKey]:
    """Return the row number of each of these images; unknown images are left out."""
    found: dict[ImageID, ContentKey] = {}
    for some in batches([one.digest for one in ids]):
        query = (
            select(image.c.content_id, content.c.digest)
            .join(content, content.c.id == image.c.content_id)
            .where(content.c.digest.in_(some))
        )
        found.update(
            (ImageID(row.digest), ContentKey(row.content_id)) for row in connection.execute(query)
        )
    return found


def parent_of(connection: Connection, image_key: ContentKey) -> ImageID | None:
    """Return the image that an image was built on; None if the parent is not recorded."""
    child = image.alias("child")
    found = connection.execute(
        select(content.c.digest)
        .join(child, child.c.parent_id == content.c.id)
        .where(child.c.content_id == image_key)
    ).scalar()
    return None if found is None else ImageID(found)


def children_of(connection: Connection, image_key: ContentKey) -> tuple[ImageID, ...]:
    """Return the images that were built on an image, sorted by ID."""
    rows = connection.execute(
        select(content.c.digest)
        .join(image, image.c.content_id == content.c.id)
        .where(image.c.parent_id == image_key)
        .order_by(content.c.digest)
    )
    return tuple(ImageID(row.digest) for row in rows)


def set_parent(connection: Connection, child: ContentKey, parent: ContentKey) -> bool:
    """Record the image that ``child`` was built on; return whether the record changed."""
    return set_parents(connection, {child: parent})


def set_parents(connection: Connection, parents: Mapping[ContentKey, ContentKey]) -> bool:
    """Record the image that each image was built on; return whether a record changed.

    Args:
        connection: An open write transaction.
        parents: The row number of each image's parent.
    """
    if not parents:
        return False
    changed = connection.execute(
        update(image)
        .where(
            image.c.content_id == bindparam("child"),
            image.c.parent_id.is_distinct_from(bindparam("parent")),
        )
        .values(parent_id=bindparam("parent")),
        [{"child": child, "parent": parent} for child, parent in parents.items()],
    )
    return changed.rowcount > 0


def manifests_of(
    connection: Connection, image_key: ContentKey
) -> tuple[tuple[ContentKey, Digest, str, int], ...]:
    """Return every manifest that describes an image.

    Returns:
        Tuples (row number, digest, media type, size in bytes), by digest.
    """
    rows = connection.execute(
        select(manifest.c.content_id, content.c.digest, manifest.c.media_type, content.c.size_bytes)
        .join(content, content.c.id == manifest.c.content_id)
        .where(manifest.c.image_id == image_key)
        .order_by(content.c.digest)
    )
    return tuple(
        (ContentKey(row.content_id), row.digest, row.media_type, row.size_bytes) for row in rows
    )


def rooted(connection: Connection, images: Iterable[ContentKey]) -> set[ContentKey]:
    """Return the images with a manifest that is tagged, kept, or below a tagged or kept index."""
    found: set[ContentKey] = set()
    for some in batches(list(images)):
        up = (
            select(manifest.c.image_id, manifest.c.content_id)
            .where(manifest.c.image_id.in_(some))
            .cte("up", recursive=True)
        )
        above = select(up.c.image_id, manifest_edge.c.manifest_id).join(
            manifest_edge, manifest_edge.c.content_id == up.c.content_id
        )
        up = up.union(above.where(manifest_edge.c.role == "child"))
        for holder in (reference.c.manifest_id, kept.c.manifest_id):
            rows = connection.execute(
                select(up.c.image_id).join(holder.table, holder == up.c.content_id)
            )
            found.update(ContentKey(key) for key in rows.scalars())
    return found


def platform_of(connection: Connection, image_key: ContentKey) -> Platform:
    """Return the platform in the config of an image that is in the store."""
    row = connection.execute(
        select(image.c.os, image.c.architecture, image.c.variant).where(
            image.c.content_id == image_key
        )
    ).one()
    # Docker reads a config without an operating system as one for Linux.
    return Platform.of(row.os or "linux", row.architecture, row.variant)


def id_of(connection: Connection, image_key: ContentKey) -> ImageID:
    """Return the ID of an image that is in the store."""
    return ImageID(
        connection.execute(select(content.c.digest).where(content.c.id == image_key)).scalar_one()
    )


# --- the images of an index -----------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class IndexImage:
    """A stored image that an index lists, directly or in a nested index.

    Attributes:
        manifest: Row number of the image's manifest.
        digest: Digest of the image's manifest.
        image: Row number of the image.
        image_id: ID of the image.
        platform: The platform that the index states, else the platform of the config.
    """

    manifest: ContentKey
    digest: Digest
    image: ContentKey
    image_id: ImageID
    platform: Platform


def images_of_index(connection: Connection, index: ContentKey) -> list[IndexImage]:
    """Return the stored images of an index, in the order in which the index lists them.

    Attestations, and images for an unknown platform, are left out. The images of a nested index
    stand in its place. Each image is returned once for each platform.

    The query is one statement, whatever the store has of the index: the number of statements must
    not tell a client whether the store has content that the client may not read.
    """
    listed = _children(connection, index)
    found: dict[tuple[ContentKey, Platform], IndexImage] = {}
    # Each nested index is walked once: if the walk followed every link, the work could double with
    # each level.
    seen = {index}
    levels = [iter(listed.get(index, ()))]
    while levels:
        row = next(levels[-1], None)
        if row is None:
            levels.pop()
        elif isinstance(row, IndexImage):
            found.setdefault((row.manifest, row.platform), row)
        elif row not in seen:
            seen.add(row)
            levels.append(iter(listed.get(row, ())))
    return list(found.values())


def image_of_index(
    connection: Connection, index: ContentKey, choice: PlatformChoice = DEFAULT_CHOICE
) -> IndexImage | None:
    """Return the image that an index stands for; None if it has no image that fits.

    Args:
        connection: An open transaction.
        index: Row number of the index.
        choice: The platform to choose for.
    """
    offers = images_of_index(connection, index)
    position = choice.choose(offer.platform for offer in offers)
    return None if position is None else offers[position]


def _children(
    connection: Connection, index: ContentKey
) -> dict[ContentKey, list[IndexImage | ContentKey]]:
    """Return the images and the nested indexes that an index and its nested indexes list."""
    down = select(literal(index).label("id")).cte("down", recursive=True)
    below = select(manifest_edge.c.content_id).join(down, down.c.id == manifest_edge.c.manifest_id)
    down = down.union(below.where(manifest_edge.c.role == "child"))
    config = content.alias("config")
    rows = connection.execute(
        select(
            manifest_edge.c.manifest_id,
            manifest_edge.c.platform,
            manifest_edge.c.annotations,
            manifest.c.content_id,
            manifest.c.kind,
            content.c.digest,
            manifest.c.image_id,
            config.c.digest.label("config_digest"),
            image.c.os,
            image.c.architecture,
            image.c.variant,
        )
        .join_from(down, manifest_edge, manifest_edge.c.manifest_id == down.c.id)
        .join(manifest, manifest.c.content_id == manifest_edge.c.content_id)
        .join(content, content.c.id == manifest.c.content_id)
        .outerjoin(image, image.c.content_id == manifest.c.image_id)
        .outerjoin(config, config.c.id == manifest.c.image_id)
        .where(manifest_edge.c.role == "child")
        .order_by(manifest_edge.c.manifest_id, manifest_edge.c.position)
    )
    found: dict[ContentKey, list[IndexImage | ContentKey]] = {}
    for row in rows:
        mine = found.setdefault(ContentKey(row.manifest_id), [])
        if row.kind == "index":
            mine.append(ContentKey(row.content_id))
        elif row.image_id is not None and ATTESTED not in (row.annotations or {}):
            stated = Platform.of_fields(row.platform or {})
            # Docker reads a config without an operating system as one for Linux.
            own = Platform.of(row.os or "linux", row.architecture, row.variant)
            platform = stated if stated.is_known else own
            if platform.is_known:
                mine.append(
                    IndexImage(
                        ContentKey(row.content_id),
                        row.digest,
                        ContentKey(row.image_id),
                        ImageID(row.config_digest),
                        platform,
                    )
                )
    return found


def indexes_above(
    connection: Connection, manifests: Iterable[ContentKey]
) -> dict[ContentKey, Digest]:
    """Return the indexes that list any of these manifests, directly or through other indexes.

    Returns:
        The digest of each index, by row number.
    """
    found: dict[ContentKey, Digest] = {}
    for some in batches(list(manifests)):
        up = (
            select(manifest_edge.c.manifest_id.label("id"))
            .where(manifest_edge.c.content_id.in_(some), manifest_edge.c.role == "child")
            .cte("up", recursive=True)
        )
        above = select(manifest_edge.c.manifest_id).join(up, up.c.id == manifest_edge.c.content_id)
        up = up.union(above.where(manifest_edge.c.role == "child"))
        rows = connection.execute(
            select(content.c.id, content.c.digest).join(up, up.c.id == content.c.id)
        )
        found.update((ContentKey(row.id), row.digest) for row in rows)
    return found
