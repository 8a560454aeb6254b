"""Changes of names: tag, untag, and removal by the rules of ``docker rmi``.

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
from store.catalog.collection import garbage, reachability
from store.catalog.events import Event
from store.catalog.lists import repository_lists
from store.errors import ImageInUse, InvalidReference, ReferenceNotFound
from store.model.remedies import Remedy
from store.names.resolve import resolve_image, resolve_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.references import TagTarget
    from store.db.types import ContentKey, RepositoryKey
    from store.model.digests import ImageID
    from store.model.references import Reference
    from store.names.resolve import ResolvedImage, ResolvedManifest


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
        kind: ``untagged`` for a tag, ``deleted`` for an image or manifest.
        name: The tag as docker shows it, or the digest.
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
    removed = _untag(connection, target, now)
    naming.keep(connection, target.manifest, now=now)
    return tuple(removed)


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
    removed: list[RemovedName] = []
    for variant in variants.offered(connection, original):
        _remove_tag(connection, variant, now, operation)
        removed.append(RemovedName("untagged", variant.reference.familiar))
        repository = repositories.find(connection, variant.reference.repository)
        if repository is None or repository_lists.tags_of(connection, repository, variant.manifest):
            continue
        unreached = (
            variant.manifest,
            *reachability.unreached_below(connection, variant.manifest),
        )
        for key in unreached:
            serving.let_go(connection, repository, key)
            serving.drop_unheld(connection, key)
        deleted = _delete_free(connection, unreached)
        _record_deleted(connection, deleted, now)
        removed += [RemovedName("deleted", str(image_id)) for image_id in deleted]
    return tuple(removed)


# --- remove ---------------------------------------------------------------------------------------


def remove(
    connection: Connection, name: str, *, force: bool, prune_parents: bool, now: datetime
) -> tuple[RemovedName, ...]:
    """Remove a name. If it was the last name of an image, remove the image as well.

    If the image has other tags, only the given tag is removed. An ID removes all tags of the image.

    Args:
        connection: A write unit.
        name: A tag, digest reference, digest or image ID.
        force: Whether to remove an image by ID even if several repositories name it. With
            force, an unnamed image that other images are built on stays, and is not an error.
        prune_parents: Whether to remove parents that have no name and no other child.
        now: The time of the change.

    Returns:
        A line for each removed tag and each deleted image or manifest.

    Raises:
        ImageNotFound: No image or manifest has this name.
        AmbiguousName: The name begins the IDs of several images.
        ImageInUse: The image has names in several repositories, or other images are built on it.
    """
    manifest = resolve_manifest(connection, name)
    if manifest.image is None or manifests.is_index(connection, manifest.key):
        return _remove_manifest(connection, manifest, force=force, now=now)
    image = resolve_image(connection, name)
    tags = references.of_image(connection, image.key)
    if image.target is not None and _has_other_tags(connection, image.target, tags):
        removed = _untag(connection, image.target, now)
        naming.drop(connection, (image.target.manifest,))
        return tuple(removed)
    if image.target is None and not force and _in_several_repositories(tags):
        raise ImageInUse(
            f"unable to delete {image.image_id.digest.short} (must be forced) - image is referenced"
            " in multiple repositories",
            hint="remove the tags by name",
            remedy=Remedy.FORCE_REMOVAL,
        )
    return _remove_image(connection, image, tags, force=force, prune_parents=prune_parents, now=now)


def _remove_manifest(
    connection: Connection, manifest: ResolvedManifest, *, force: bool, now: datetime
) -> tuple[RemovedName, ...]:
    """Remove a name of an index or artifact. If it was the last name, remove the manifest."""
    tags = references.of_manifest(connection, manifest.key)
    if manifest.target is not None and len(tags) > 1:
        return tuple(_untag(connection, manifest.target, now))
    if manifest.target is None and not force and _in_several_repositories(tags):
        raise ImageInUse(
            f"unable to delete {manifest.digest} (must be forced) - it is referenced in multiple"
            " repositories",
            hint="remove the tags by name",
            remedy=Remedy.FORCE_REMOVAL,
        )
    removed = _untag_all(connection, tags, now)
    naming.drop(connection, (manifest.key,))
    unreached = (manifest.key, *reachability.unreached_below(connection, manifest.key))
    naming.drop(connection, unreached)
    deleted = _delete_free(connection, unreached)
    _record_deleted(connection, (manifest.digest, *deleted), now)
    return (
        *removed,
        RemovedName("deleted", str(manifest.digest)),
        *(RemovedName("deleted", str(image_id)) for image_id in deleted),
    )


def _remove_image(
    connection: Connection,
    image: ResolvedImage,
    tags: tuple[TagTarget, ...],
    *,
    force: bool,
    prune_parents: bool,
    now: datetime,
) -> tuple[RemovedName, ...]:
    children = images.children_of(connection, image.key)
    if children and not tags and not force:
        raise ImageInUse(
            f"unable to delete {image.image_id.digest.short} (cannot be forced) - image has"
            " dependent child images",
            hint=f"first remove {', '.join(child.digest.short for child in children[:3])}",
        )
    removed = _untag_all(connection, tags, now)
    if children:
        # As in Docker, an image that other images are built on stays, without its names.
        for manifest, _, _, _ in images.manifests_of(connection, image.key)[:1]:
            naming.keep(connection, manifest, now=now)
        return tuple(removed)
    parent = images.parent_of(connection, image.key)
    removed.append(_delete_image(connection, image.key, image.image_id, now))
    while prune_parents and parent is not None:
        key = images.key_of(connection, parent)
        if (
            key is None
            or references.of_image(connection, key)
            or _has_other_children(connection, key, removed)
        ):
            break
        grandparent = images.parent_of(connection, key)
        removed.append(_delete_image(connection, key, parent, now))
        parent = grandparent
    return tuple(removed)


def _delete_image(
    connection: Connection, key: ContentKey, image_id: ImageID, now: datetime
) -> RemovedName:
    described_by = [manifest for manifest, _, _, _ in images.manifests_of(connection, key)]
    naming.drop(connection, described_by)
    # Delete the rows now, so that the image can no longer be found. Rows that a running save leases
    # stay.
    garbage.delete_manifests(connection, described_by)
    garbage.delete_images(connection, [key])
    _record_deleted(connection, (image_id,), now)
    return RemovedName("deleted", str(image_id))


def _delete_free(connection: Connection, keys: Sequence[ContentKey]) -> tuple[ImageID, ...]:
    """Delete the manifests that nothing refers to; return the images deleted with them."""
    described = manifests.images_of(connection, keys)
    # Referrers are deleted before their subject, and indexes before their children. A referrer may
    # be an index, so this takes several rounds.
    while garbage.delete_manifests(connection, keys):
        pass
    return garbage.delete_images(connection, described)


# --- parts ----------------------------------------------------------------------------------------


def _untag_all(
    connection: Connection, tags: Sequence[TagTarget], now: datetime
) -> list[RemovedName]:
    removed: list[RemovedName] = []
    for target in tags:
        # A variant may already have been removed together with its original.
        if RemovedName("untagged", target.reference.familiar) not in removed:
            removed += _untag(connection, target, now)
    return removed


def _untag(connection: Connection, target: TagTarget, now: datetime) -> list[RemovedName]:
    _remove_tag(connection, target, now, "untag")
    return [
        RemovedName("untagged", target.reference.familiar),
        *remove_variants(connection, target.reference, now=now, operation="untag"),
    ]


def _remove_tag(connection: Connection, target: TagTarget, now: datetime, operation: str) -> None:
    naming.remove_tag(connection, target, now=now, operation=operation)
    image = str(target.image_id) if target.image_id is not None else str(target.digest)
    events.add_events(connection, [Event(now, "untag", image, {"name": target.reference.familiar})])


def _record_deleted(connection: Connection, names: Iterable[object], now: datetime) -> None:
    events.add_events(connection, [Event(now, "delete", str(name), {}) for name in names])


def _has_other_tags(connection: Connection, target: TagTarget, tags: Sequence[TagTarget]) -> bool:
    """Return whether an image has tags other than ``target`` and its variants."""
    offered = variants.offered(connection, target.reference)
    removed = {target.reference, *(variant.reference for variant in offered)}
    return any(tag.reference not in removed for tag in tags)


def _in_several_repositories(tags: Sequence[TagTarget]) -> bool:
    return len({target.reference.repository for target in tags}) > 1


def _has_other_children(
    connection: Connection, key: ContentKey, removed: Sequence[RemovedName]
) -> bool:
    """Return whether an image has children that this removal has not deleted."""
    deleted = {name.name for name in removed if name.kind == "deleted"}
    return any(str(child) not in deleted for child in images.children_of(connection, key))
