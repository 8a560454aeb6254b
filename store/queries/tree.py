"""Lists of images with the platforms of each index, from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, final

from store.catalog import images, manifests
from store.catalog.batches import BATCH
from store.catalog.lists import image_list
from store.model.contents import ContentState
from store.model.moments import moment
from store.model.platforms import Platform
from store.queries.lists import each_image, list_manifests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.model.digests import Digest, ImageID
    from store.queries.results import ImageFilter, ImageSummary


@final
@dataclass(frozen=True, slots=True)
class TreePart:
    """One image that an index lists.

    Attributes:
        platform: The platform that the index states, else that of the config.
        digest: The digest of the image's manifest.
        image_id: The image's ID; None if the store does not have the image.
        created: The creation time in the config; None if it has none or is not in the store.
        size_bytes: The size of all uncompressed layers; None if the store does not have the image.
    """

    platform: Platform
    digest: Digest
    image_id: ImageID | None
    created: datetime | None
    size_bytes: int | None


@final
@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One image, index or artifact with its names.

    Attributes:
        names: The tags and digest references, in the form that docker shows.
        digest: The ID of an image, or the digest of an index or artifact.
        platform: The platform of an image; None for an index or artifact.
        created: The creation time of an image; None if it has none.
        size_bytes: The size of all uncompressed layers, of an index with all of its images.
        parts: The images of an index.
    """

    names: tuple[str, ...]
    digest: Digest
    platform: Platform | None
    created: datetime | None
    size_bytes: int
    parts: tuple[TreePart, ...] = ()


def list_tree(connection: Connection, filters: ImageFilter) -> tuple[TreeEntry, ...]:
    """Return the images that pass ``filters``, newest first, and then other indexes and artifacts.

    Args:
        connection: A read unit.
        filters: The images to list, and the platforms to show of each index.

    Raises:
        ImageNotFound: A filter names an image that does not exist.
    """
    entries: list[TreeEntry] = []
    listed = each_image(connection, replace(filters, with_manifests=False))
    while some := list(islice(listed, BATCH)):
        entries += _image_entries(connection, some, filters)
    for other in list_manifests(connection, filters):
        shown = tuple(name.familiar for name in (*other.references, *other.digests))
        key = manifests.key_of(connection, other.digest)
        if key is not None and other.kind == "index":
            entries.append(_index(connection, shown, other.digest, key, filters))
        else:
            entries.append(TreeEntry(shown, other.digest, None, None, other.size_bytes))
    return tuple(entries)


def _image_entries(
    connection: Connection, found: Sequence[ImageSummary], filters: ImageFilter
) -> Iterator[TreeEntry]:
    """Yield the indexes that stand for an image, and the image itself if it has other names."""
    digests = {tagged.manifest for image in found for tagged in image.references}
    digests |= {held.digest for image in found for held in image.digests if held.digest is not None}
    indexes = image_list.index_keys(connection, digests)
    for image in found:
        names: dict[Digest | None, list[str]] = {}
        for tagged in image.references:
            names.setdefault(tagged.manifest, []).append(tagged.reference.familiar)
        for held in image.digests:
            names.setdefault(held.digest, []).append(held.familiar)
        single: list[str] = []
        for digest, some in names.items():
            key = None if digest is None else indexes.get(digest)
            if digest is None or key is None:
                single += some
            else:
                yield _index(connection, tuple(some), digest, key, filters)
        if single or not names:
            yield TreeEntry(
                tuple(single),
                image.image_id.digest,
                image.platform,
                image.created,
                image.size_bytes,
            )


def _index(
    connection: Connection,
    names: Sequence[str],
    digest: Digest,
    key: ContentKey,
    filters: ImageFilter,
) -> TreeEntry:
    parts = [part for part in _parts(connection, key) if filters.choice.fits(part.platform)]
    distinct = {part.image_id: part.size_bytes or 0 for part in parts}
    return TreeEntry(tuple(names), digest, None, None, sum(distinct.values()), tuple(parts))


def _parts(connection: Connection, index: ContentKey) -> list[TreePart]:
    """Return the images of an index: first those in the store, then the absent ones."""
    stored = images.images_of_index(connection, index)
    keys = list({one.image for one in stored})
    sizes = image_list.total_sizes(connection, keys)
    created = {
        position.key: position.created_s for position in image_list.positions_of(connection, keys)
    }
    parts = [
        TreePart(
            one.platform,
            one.digest,
            one.image_id,
            moment(created.get(one.image)),
            sizes.get(one.image, 0),
        )
        for one in stored
    ]
    for digest, role, _, _, state, fields in manifests.children_of(connection, index):
        platform = Platform.of_fields(fields)
        if role == "child" and state == ContentState.ABSENT and platform.is_known:
            parts.append(TreePart(platform, digest, None, None, None))
    return parts
