"""Changes of tags: tag, untag, and the removal of variants.

Only rows in the catalogue change. Garbage collection frees the disk space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import (
    events,
    images,
    manifests,
    naming,
    references,
    repositories,
    serving,
    variants,
)
from store.catalog.collection import garbage, reachability, removed
from store.catalog.events import Event
from store.catalog.lists import repository_lists
from store.errors import InvalidReference, ReferenceNotFound
from store.model.remedies import Remedy
from store.names.resolve import resolve_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.references import TagTarget
    from store.db.types import ContentKey, RepositoryKey
    from store.model.digests import ImageID
    from store.model.references import Reference
    from store.names.resolve import ResolvedManifest


@final
@dataclass(frozen=True, slots=True)
class TagChange:
    """The result of setting a tag.

    Attributes:
        reference: The tag that was set.
        image_id: The image that the tag names now; None for an artifact.
        replaced: The image that the tag named before; None if there was no such image, or if it
            equals ``image_id``.
    """

    reference: Reference
    image_id: ImageID | None
    replaced: ImageID | None


@final
@dataclass(frozen=True, slots=True)
class RemovedName:
    """One line of a removal.

    Attributes:
        kind: ``untagged`` for a tag or digest reference, ``deleted`` for an image or manifest.
        name: The name as docker shows it, or the digest.
    """

    kind: str
    name: str


# --- tag and untag --------------------------------------------------------------------------------


def tag(connection: Connection, source: str, name: Reference, *, now: datetime) -> TagChange:
    """Set the tag ``name`` to the manifest or index that ``source`` names.

    Args:
        connection: A write unit.
        source: A tag, digest reference, digest or image ID.
        name: The new tag.
        now: The time of the change.

    Raises:
        ImageNotFound: No image or manifest has the name ``source``.
        AmbiguousName: ``source`` begins the IDs of several images.
        InvalidReference: ``name`` has a digest, or its repository is called ``sha256``.
    """
    if name.digest is not None:
        raise InvalidReference(
            f"invalid tag {name.familiar!r}: a tag cannot have a digest", text=name.familiar
        )
    if name.repository.familiar == "sha256":
        raise InvalidReference(
            "refusing to create an ambiguous tag using digest algorithm as name", text=name.familiar
        )
    found = resolve_manifest(connection, source)
    image_id = None if found.image is None else images.id_of(connection, found.image)
    before = references.get(connection, name)
    naming.set_tags(
        connection,
        {name: found.key},
        now=now,
        operation="tag",
        sources=_sources(connection, found),
    )
    events.add_events(
        connection, [Event(now, "tag", str(image_id or found.digest), {"name": name.familiar})]
    )
    replaced = before.image_id if before is not None and before.image_id != image_id else None
    return TagChange(name, image_id, replaced)


def _sources(connection: Connection, found: ResolvedManifest) -> list[RepositoryKey] | None:
    """Return the repositories that give the content of a new tag; None for all stored content.

    A name stands for the content of its repository. A digest or image ID stands for the content of
    the repositories that hold the manifest. A manifest that no repository holds was imported
    without a name, and stands for all stored content below it.
    """
    if found.reference is not None:
        key = repositories.find(connection, found.reference.repository)
        return [] if key is None else [key]
    return repositories.holder_keys(connection, found.key) or None


def untag(connection: Connection, name: Reference, *, now: datetime) -> tuple[RemovedName, ...]:
    """Remove a tag and its variants, and keep the manifest.

    Args:
        connection: A write unit.
        name: A reference with a tag.
        now: The time of the change.

    Returns:
        A line for each removed tag, and for each variant that was deleted.

    Raises:
        ReferenceNotFound: The store does not have this tag.
    """
    target = references.get(connection, name)
    if target is None:
        raise ReferenceNotFound(f"No such tag: {name.familiar}", remedy=Remedy.LIST_IMAGES)
    lines = untag_target(connection, target, now)
    naming.keep(connection, target.manifest, now=now)
    return tuple(lines)


def remove_variants(
    connection: Connection, original: Reference, *, now: datetime, operation: str
) -> tuple[RemovedName, ...]:
    """Remove the variants that a registry made of the manifest that ``original`` named.

    A variant can be made again, and no user has asked to keep it. A variant that has a second tag
    keeps its manifest. A tag that a user has set since then is not a variant.

    Args:
        connection: A write unit.
        original: The tag that was removed.
        now: The time of the change.
        operation: The name of this change in the log of references.

    Returns:
        A line for each removed tag and each deleted image.
    """
    lines: list[RemovedName] = []
    for variant in variants.offered(connection, original):
        _remove_tag(connection, variant, now, operation)
        lines.append(RemovedName("untagged", variant.reference.familiar))
        repository = repositories.find(connection, variant.reference.repository)
        if repository is None or repository_lists.tags_of(connection, repository, variant.manifest):
            continue
        unreached = (
            variant.manifest,
            *reachability.unreached_below(connection, variant.manifest),
        )
        removed.note(connection, unreached, now=now)
        for key in unreached:
            serving.let_go(connection, repository, key)
            serving.drop_unheld(connection, key)
        deleted = delete_free(connection, unreached)
        record_deleted(connection, deleted, now, variant.reference.familiar)
        lines += [RemovedName("deleted", str(image_id)) for image_id in deleted]
    return tuple(lines)


def delete_free(connection: Connection, keys: Sequence[ContentKey]) -> tuple[ImageID, ...]:
    """Delete the manifests that nothing refers to; return the images deleted with them."""
    described = manifests.images_of(connection, keys)
    # Referrers are deleted before their subject, and indexes before their children. A referrer may
    # be an index, so this takes several rounds.
    while garbage.delete_manifests(connection, keys):
        pass
    return garbage.delete_images(connection, described)


# --- parts ----------------------------------------------------------------------------------------


def untag_target(
    connection: Connection, target: TagTarget, now: datetime, operation: str = "untag"
) -> list[RemovedName]:
    """Remove a tag and its variants; return a line for each.

    Args:
        connection: A write unit.
        target: The tag.
        now: The time of the change.
        operation: The name of this change in the log of references.
    """
    _remove_tag(connection, target, now, operation)
    return [
        RemovedName("untagged", target.reference.familiar),
        *remove_variants(connection, target.reference, now=now, operation=operation),
    ]


def _remove_tag(connection: Connection, target: TagTarget, now: datetime, operation: str) -> None:
    naming.remove_tag(connection, target, now=now, operation=operation)
    image = str(target.image_id) if target.image_id is not None else str(target.digest)
    events.add_events(connection, [Event(now, "untag", image, {"name": target.reference.familiar})])


def record_deleted(
    connection: Connection, deleted: Iterable[object], now: datetime, name: str
) -> None:
    """Record in the store's history that images or manifests were deleted.

    Args:
        connection: A write unit.
        deleted: The IDs and digests of what was deleted.
        now: The time of the change.
        name: The name whose removal deleted them.
    """
    facts = {"name": name}
    events.add_events(connection, [Event(now, "delete", str(one), facts) for one in deleted])
