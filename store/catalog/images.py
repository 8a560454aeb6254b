"""Images, their layers and the manifests that describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

from sqlalchemy import Text, exists, func, literal, select, tuple_, type_coerce, update

from store.catalog import labels
from store.catalog.batches import batches, insert_rows
from store.db.schema import content, image, kept, label, layer, manifest, manifest_edge, reference
from store.db.types import ContentKey, LayerKey
from store.model.digests import ChainID, DiffID, ImageID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from store.formats.image.config import ImageConfig
    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class NewImage:
    """What the catalogue keeps of a config.

    ``created_s`` in seconds of Unix time, None when unknown.
    """

    image_id: ImageID
    top: LayerKey | None
    os: str
    architecture: str
    variant: str
    created_s: int | None
    labels: Mapping[str, str]
    verified: bool = True
    """Whether every layer was seen to have its diff ID."""

    @classmethod
    def of(cls, config: ImageConfig, top: LayerKey | None, *, verified: bool) -> Self:
        """What is kept of ``config``, whose last layer is ``top``."""
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


@final
@dataclass(frozen=True, slots=True)
class ChainedLayer:
    """One layer of an image as SQL finds it."""

    diff_id: DiffID
    chain_id: ChainID
    size_bytes: int


@final
@dataclass(frozen=True, slots=True)
class Summary:
    """One image in a list; ``created_s`` in seconds of Unix time."""

    key: ContentKey
    image_id: ImageID
    created_s: int | None
    parent: ImageID | None
    has_children: bool


def ensure_layers(
    connection: Connection, chains: Sequence[Sequence[tuple[DiffID, ContentKey]]]
) -> list[LayerKey | None]:
    """The row of the top of each chain, base first; missing rows are made."""
    wanted: list[dict[Digest, _LayerRow]] = []
    tops: list[Digest | None] = []
    for diffs in chains:
        above: Digest | None = None
        for depth, (chain_id, (_, key)) in enumerate(
            zip(ChainID.each([diff for diff, _ in diffs]) if diffs else (), diffs, strict=True)
        ):
            if depth == len(wanted):
                wanted.append({})
            wanted[depth][chain_id.digest] = _LayerRow(key, above)
            above = chain_id.digest
        tops.append(above)
    known = _layer_keys(connection, [digest for level in wanted for digest in level])
    for depth, level in enumerate(wanted, start=1):
        rows = [
            {
                "chain_id": digest,
                "parent_id": None if row.below is None else known[row.below],
                "diff_id": row.diff,
                "depth": depth,
            }
            for digest, row in level.items()
            if digest not in known
        ]
        if rows:
            insert_rows(connection, layer, rows)
            known |= _layer_keys(connection, [digest for digest in level if digest not in known])
    return [None if top is None else known[top] for top in tops]


@final
@dataclass(frozen=True, slots=True)
class _LayerRow:
    diff: ContentKey
    below: Digest | None


def _layer_keys(connection: Connection, chain_ids: Sequence[Digest]) -> dict[Digest, LayerKey]:
    known: dict[Digest, LayerKey] = {}
    for some in batches(chain_ids):
        known.update(
            (row.chain_id, LayerKey(row.id))
            for row in connection.execute(
                select(layer.c.id, layer.c.chain_id).where(layer.c.chain_id.in_(some))
            )
        )
    return known


def add(connection: Connection, new: Mapping[ContentKey, NewImage]) -> set[ContentKey]:
    """Make the images of these configs; which were not there."""
    there: set[int] = set()
    for some in batches(list(new)):
        there.update(
            connection.execute(
                select(image.c.content_id).where(image.c.content_id.in_(some))
            ).scalars()
        )
    fresh = {key: one for key, one in new.items() if key not in there}
    rows = (
        {
            "content_id": key,
            "top_layer_id": one.top,
            "os": one.os,
            "architecture": one.architecture,
            "variant": one.variant,
            "created_s": one.created_s,
            "diff_state": "verified" if one.verified else "unverified",
        }
        for key, one in fresh.items()
    )
    insert_rows(connection, image, rows)
    labels.put(connection, {key: one.labels for key, one in fresh.items()})
    return set(fresh)


def verify(connection: Connection, keys: Sequence[ContentKey]) -> bool:
    """Remember that every layer of these images was seen to have its diff ID.

    False when that was known.
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
    """Images not verified yet that have one of these diffs, and every other layer of which is here."""
    found: list[ContentKey] = []
    for some in batches(diffs):
        above = select(layer.c.id).where(layer.c.diff_id.in_(some)).cte("above", recursive=True)
        above = above.union(select(layer.c.id).join(above, layer.c.parent_id == above.c.id))
        waiting = (
            select(image.c.content_id, image.c.top_layer_id)
            .join(above, above.c.id == image.c.top_layer_id)
            .where(image.c.diff_state != "verified")
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


def key_of(connection: Connection, image_id: ImageID) -> ContentKey | None:
    """The row of an image; None when there is no such image."""
    found = connection.execute(
        select(image.c.content_id)
        .join(content, content.c.id == image.c.content_id)
        .where(content.c.digest == image_id.digest)
    ).scalar()
    return None if found is None else ContentKey(found)


def with_prefix(
    connection: Connection, algorithm: str, prefix: str, limit: int
) -> tuple[ImageID, ...]:
    """Up to ``limit`` images whose ID begins with these hex digits, in order.

    A range over the index, not a scan.
    """
    low = f"{algorithm}:{prefix}"
    text = type_coerce(content.c.digest, Text)
    rows = connection.execute(
        select(content.c.digest)
        .join(image, image.c.content_id == content.c.id)
        # The bounds are plain text: they are no digests. "g" follows every hex digit.
        .where(text >= low, text < low + "g")
        .order_by(content.c.digest)
        .limit(limit)
    )
    return tuple(ImageID(row.digest) for row in rows)


def chain(connection: Connection, image_key: ContentKey) -> tuple[ChainedLayer, ...]:
    """The layers of an image, base first: one recursive query up the chain."""
    up = (
        select(layer.c.id, layer.c.parent_id, layer.c.diff_id, layer.c.chain_id, layer.c.depth)
        .join(image, image.c.top_layer_id == layer.c.id)
        .where(image.c.content_id == image_key)
        .cte("up", recursive=True)
    )
    below = layer.alias("below")
    up = up.union_all(
        select(
            below.c.id, below.c.parent_id, below.c.diff_id, below.c.chain_id, below.c.depth
        ).join(up, up.c.parent_id == below.c.id)
    )
    rows = connection.execute(
        select(content.c.digest, content.c.size_bytes, up.c.chain_id)
        .join(up, up.c.diff_id == content.c.id)
        .order_by(up.c.depth)
    )
    return tuple(
        ChainedLayer(DiffID(row.digest), ChainID(row.chain_id), row.size_bytes or 0) for row in rows
    )


def parent_of(connection: Connection, image_key: ContentKey) -> ImageID | None:
    """The image this one was built on, as far as it is recorded."""
    child = image.alias("child")
    found = connection.execute(
        select(content.c.digest)
        .join(child, child.c.parent_id == content.c.id)
        .where(child.c.content_id == image_key)
    ).scalar()
    return None if found is None else ImageID(found)


def children_of(connection: Connection, image_key: ContentKey) -> tuple[ImageID, ...]:
    """The images built on this one, in the order of their IDs."""
    rows = connection.execute(
        select(content.c.digest)
        .join(image, image.c.content_id == content.c.id)
        .where(image.c.parent_id == image_key)
        .order_by(content.c.digest)
    )
    return tuple(ImageID(row.digest) for row in rows)


def set_parent(connection: Connection, child: ContentKey, parent: ContentKey) -> bool:
    """Record a parent link; False when it was so."""
    changed = connection.execute(
        update(image)
        .where(image.c.content_id == child, image.c.parent_id.is_distinct_from(parent))
        .values(parent_id=parent)
    )
    return bool(changed.rowcount)


def manifests_of(
    connection: Connection, image_key: ContentKey
) -> tuple[tuple[ContentKey, Digest, str, int], ...]:
    """Every manifest that describes the image, as (row, digest, media type, size in bytes), by digest."""
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
    """Which of ``images`` have a manifest with a name, or one that is kept without, itself or in an index."""
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


def total_sizes(connection: Connection, keys: Sequence[ContentKey]) -> dict[ContentKey, int]:
    """The uncompressed layers of each of these images together, in bytes.

    As many as one statement takes.
    """
    walk = (
        select(image.c.content_id.label("image_id"), image.c.top_layer_id.label("layer_id"))
        .where(image.c.top_layer_id.is_not(None), image.c.content_id.in_(keys))
        .cte("walk", recursive=True)
    )
    below = layer.alias("below")
    walk = walk.union_all(
        select(walk.c.image_id, below.c.parent_id)
        .join(below, below.c.id == walk.c.layer_id)
        .where(below.c.parent_id.is_not(None))
    )
    here = layer.alias("here")
    rows = connection.execute(
        select(walk.c.image_id, func.sum(content.c.size_bytes).label("total"))
        .join(here, here.c.id == walk.c.layer_id)
        .join(content, content.c.id == here.c.diff_id)
        .group_by(walk.c.image_id)
    )
    return {ContentKey(row.image_id): row.total or 0 for row in rows}


def id_of(connection: Connection, image_key: ContentKey) -> ImageID:
    """The ID of an image that is there."""
    return ImageID(
        connection.execute(select(content.c.digest).where(content.c.id == image_key)).scalar_one()
    )


@final
@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where an image stands in the list: newest first, of those created in one second the one that came last first, and then those of no known age."""

    created_s: int | None
    key: ContentKey

    @property
    def order(self) -> tuple[bool, int, int]:
        """Sorts places as the list does."""
        return self.created_s is None, -(self.created_s or 0), -self.key


def position_of(connection: Connection, key: ContentKey) -> ListPosition:
    """Where an image that is there stands."""
    return ListPosition(
        connection.execute(select(image.c.created_s).where(image.c.content_id == key)).scalar_one(),
        key,
    )


def positions(
    connection: Connection, *, after: ListPosition | None, limit: int
) -> list[ListPosition]:
    """Up to ``limit`` places of the list, behind ``after``: a walk along the index, without a sort."""
    found: list[ListPosition] = []
    query = select(image.c.created_s, image.c.content_id).limit(limit)
    if after is None or after.created_s is not None:
        dated = query.where(image.c.created_s.is_not(None)).order_by(
            image.c.created_s.desc(), image.c.content_id.desc()
        )
        if after is not None:
            dated = dated.where(
                tuple_(image.c.created_s, image.c.content_id) < (after.created_s, after.key)
            )
        found += [
            ListPosition(row.created_s, ContentKey(row.content_id))
            for row in connection.execute(dated)
        ]
    if len(found) < limit:
        undated = query.where(image.c.created_s.is_(None)).order_by(image.c.content_id.desc())
        if after is not None and after.created_s is None:
            undated = undated.where(image.c.content_id < after.key)
        found += [
            ListPosition(None, ContentKey(row.content_id)) for row in connection.execute(undated)
        ]
    return found[:limit]


def places_of(connection: Connection, keys: Iterable[ContentKey]) -> list[ListPosition]:
    """The places of these images, in the order of the list."""
    found: list[ListPosition] = []
    for some in batches(list(keys)):
        rows = connection.execute(
            select(image.c.created_s, image.c.content_id).where(image.c.content_id.in_(some))
        )
        found += [ListPosition(row.created_s, ContentKey(row.content_id)) for row in rows]
    return sorted(found, key=lambda place: place.order)


def summaries(connection: Connection, keys: Sequence[ContentKey]) -> dict[ContentKey, Summary]:
    """The columns that a list of these images needs; as many as one statement takes."""
    parent = content.alias("parent")
    child = image.alias("child")
    has_children = exists(select(literal(1)).where(child.c.parent_id == image.c.content_id))
    rows = connection.execute(
        select(
            image.c.content_id,
            content.c.digest,
            image.c.created_s,
            parent.c.digest.label("parent"),
            has_children.label("has_children"),
        )
        .join(content, content.c.id == image.c.content_id)
        .outerjoin(parent, parent.c.id == image.c.parent_id)
        .where(image.c.content_id.in_(keys))
    )
    return {
        ContentKey(row.content_id): Summary(
            ContentKey(row.content_id),
            ImageID(row.digest),
            row.created_s,
            None if row.parent is None else ImageID(row.parent),
            bool(row.has_children),
        )
        for row in rows
    }


def manifest_digests(
    connection: Connection, keys: Sequence[ContentKey]
) -> dict[ContentKey, list[Digest]]:
    """The manifests of these images, by digest; as many as one statement takes."""
    found: dict[ContentKey, list[Digest]] = {}
    rows = connection.execute(
        select(manifest.c.image_id, content.c.digest)
        .join(content, content.c.id == manifest.c.content_id)
        .where(manifest.c.image_id.in_(keys))
        .order_by(content.c.digest)
    )
    for row in rows:
        found.setdefault(ContentKey(row.image_id), []).append(row.digest)
    return found


def with_labels(connection: Connection, wanted: Sequence[str]) -> set[ContentKey]:
    """Images that have every one of these labels, each ``key`` or ``key=value``."""
    remaining: set[ContentKey] | None = None
    for text in wanted:
        key, equals, value = text.partition("=")
        query = (
            select(label.c.content_id)
            .join(image, image.c.content_id == label.c.content_id)
            .where(label.c.key == key)
        )
        if equals:
            query = query.where(label.c.value == value)
        having = {ContentKey(found) for found in connection.execute(query).scalars()}
        remaining = having if remaining is None else remaining & having
    return remaining or set()
