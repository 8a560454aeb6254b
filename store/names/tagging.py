"""Names given and taken: tag, untag, and removal by the rules of ``docker rmi``.

Rows only; gc frees the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import events as records
from store.catalog import images, manifests, naming, references, serving, variants
from store.catalog import repositories as registry
from store.catalog.collection import garbage as collection
from store.catalog.collection import reachability as reach
from store.catalog.events import Event
from store.catalog.lists import repository_lists
from store.errors import ImageInUse, InvalidReference, ReferenceNotFound
from store.model.remedies import Remedy
from store.names.resolve import resolve_image, resolve_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.references import TagTarget
    from store.db.types import ContentKey
    from store.model.digests import ImageID
    from store.model.references import Reference
    from store.names.resolve import ResolvedImage, ResolvedManifest


@final
@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag, the image it now names (None for an artifact), and the one it named before when that was another."""

    reference: Reference
    image_id: ImageID | None
    replaced: ImageID | None


def tag(connection: Connection, source: str, name: Reference, *, now: datetime) -> TagChange:
    """See `store.store.Store.tag`.

    A tag made from a tag names the very manifest or index that one names.
    """
    if name.digest is not None:
        raise InvalidReference(
            f"{name.familiar} has a digest: a tag cannot be made of it", text=name.familiar
        )
    if name.repository.familiar == "sha256":
        raise InvalidReference(
            "refusing to create an ambiguous tag using digest algorithm as name", text=name.familiar
        )
    found = resolve_manifest(connection, source)
    image_id = None if found.image is None else images.id_of(connection, found.image)
    before = references.get(connection, name)
    naming.set_tags(connection, {name: found.key}, now=now, operation="tag")
    records.add_events(
        connection, [Event(now, "tag", str(image_id or found.digest), {"name": name.familiar})]
    )
    replaced = before.image_id if before is not None and before.image_id != image_id else None
    return TagChange(name, image_id, replaced)


def untag(connection: Connection, name: Reference, *, now: datetime) -> tuple[RemovedName, ...]:
    """See `store.store.Store.untag`."""
    target = references.get(connection, name)
    if target is None:
        raise ReferenceNotFound(f"No such tag: {name.familiar}", remedy=Remedy.LIST_IMAGES)
    done = _untag(connection, target, now)
    naming.keep(connection, target.manifest, now=now)
    return tuple(done)


def remove(
    connection: Connection, name: str, *, force: bool, prune_parents: bool, now: datetime
) -> tuple[RemovedName, ...]:
    """See `store.store.Store.remove`.

    By tag: the tag goes, and with the last one the image. By ID: all tags, if they are of one
    repository or ``force``.
    """
    named = resolve_manifest(connection, name)
    if named.image is None or manifests.is_index(connection, named.key):
        return _remove_manifest(connection, named, force=force, now=now)
    found = resolve_image(connection, name)
    tags = references.of_image(connection, found.key)
    if found.target is not None and _has_other_names(connection, found.target, tags):
        done = _untag(connection, found.target, now)
        naming.drop(connection, (found.target.manifest,))
        return tuple(done)
    if (
        found.target is None
        and not force
        and len({target.reference.repository for target in tags}) > 1
    ):
        raise ImageInUse(
            f"unable to delete {found.image_id.digest.short} (must be forced) - image is referenced"
            " in multiple repositories",
            hint="remove its tags by name",
            remedy=Remedy.FORCE_REMOVAL,
        )
    return _remove_whole(connection, found, tags, force=force, prune_parents=prune_parents, now=now)


def _remove_manifest(
    connection: Connection, named: ResolvedManifest, *, force: bool, now: datetime
) -> tuple[RemovedName, ...]:
    """Remove an index or an artifact, by the same rules."""
    tags = references.of_manifest(connection, named.key)
    if named.target is not None and len(tags) > 1:
        return tuple(_untag(connection, named.target, now))
    if (
        named.target is None
        and not force
        and len({target.reference.repository for target in tags}) > 1
    ):
        raise ImageInUse(
            f"unable to delete {named.digest} (must be forced) - it is referenced in multiple"
            " repositories",
            hint="remove its tags by name",
            remedy=Remedy.FORCE_REMOVAL,
        )
    done = _untag_all(connection, tags, now)
    naming.drop(connection, (named.key,))
    gone = (named.key, *reach.unreached_below(connection, named.key))
    naming.drop(connection, gone)
    lost = _deleted(connection, gone)
    records.add_events(
        connection,
        [Event(now, "delete", target, {}) for target in (str(named.digest), *map(str, lost))],
    )
    return (
        *done,
        RemovedName("deleted", str(named.digest)),
        *(RemovedName("deleted", str(image)) for image in lost),
    )


def _deleted(connection: Connection, gone: Sequence[ContentKey]) -> tuple[ImageID, ...]:
    """Delete those manifests that are free; the images that went with them."""
    described = manifests.images_of(connection, gone)
    # What refers to something goes before it, what lists something too: in rounds, for a referrer
    # may be an index itself.
    while collection.delete_manifests(connection, gone):
        pass
    return collection.delete_images(connection, described)


def _remove_whole(
    connection: Connection,
    found: ResolvedImage,
    tags: tuple[TagTarget, ...],
    *,
    force: bool,
    prune_parents: bool,
    now: datetime,
) -> tuple[RemovedName, ...]:
    children = images.children_of(connection, found.key)
    if children and not tags and not force:
        raise ImageInUse(
            f"unable to delete {found.image_id.digest.short} (cannot be forced) - image has"
            " dependent child images",
            hint=f"remove {', '.join(child.digest.short for child in children[:3])} first",
        )
    done = _untag_all(connection, tags, now)
    if children:
        # As Docker: what others are built on loses its names and stays, without one.
        for manifest, _, _, _ in images.manifests_of(connection, found.key)[:1]:
            naming.keep(connection, manifest, now=now)
        return tuple(done)
    parent = images.parent_of(connection, found.key)
    done.append(_give_up(connection, found.key, found.image_id, now))
    while prune_parents and parent is not None:
        key = images.key_of(connection, parent)
        if (
            key is None
            or references.of_image(connection, key)
            or _has_other_children(connection, key, done)
        ):
            break
        above = images.parent_of(connection, key)
        done.append(_give_up(connection, key, parent, now))
        parent = above
    return tuple(done)


def _has_other_children(connection: Connection, key: ContentKey, gone: list[RemovedName]) -> bool:
    names = {one.name for one in gone if one.kind == "deleted"}
    return any(str(child) not in names for child in images.children_of(connection, key))


def _give_up(
    connection: Connection, key: ContentKey, image_id: ImageID, now: datetime
) -> RemovedName:
    manifests = [manifest for manifest, _, _, _ in images.manifests_of(connection, key)]
    naming.drop(connection, manifests)
    # The rows go at once, so that nobody finds the image any more; unless a running save still
    # leans on them.
    collection.delete_manifests(connection, manifests)
    collection.delete_images(connection, [key])
    records.add_events(connection, [Event(now, "delete", str(image_id), {})])
    return RemovedName("deleted", str(image_id))


def withdraw(
    connection: Connection, original: Reference, *, now: datetime, operation: str
) -> tuple[RemovedName, ...]:
    """Take away the variants that a registry has made of what ``original`` named.

    Nobody has asked for them to be kept, and they can be made again.

    A variant that has another name by now keeps its manifest, and a tag that somebody else has set
    since is no variant.
    """
    done: list[RemovedName] = []
    for variant in variants.offered(connection, original):
        _take_away(connection, variant, now, operation)
        done.append(RemovedName("untagged", variant.reference.familiar))
        repository = registry.find(connection, variant.reference.repository)
        if repository is None or repository_lists.tags_of(connection, repository, variant.manifest):
            continue
        gone = (variant.manifest, *reach.unreached_below(connection, variant.manifest))
        for key in gone:
            serving.let_go(connection, repository, key)
            serving.drop_unheld(connection, key)
        lost = _deleted(connection, gone)
        records.add_events(connection, [Event(now, "delete", str(image), {}) for image in lost])
        done += [RemovedName("deleted", str(image)) for image in lost]
    return tuple(done)


def _has_other_names(connection: Connection, target: TagTarget, tags: Sequence[TagTarget]) -> bool:
    """Whether an image has tags beside ``target`` and those that go with it."""
    going = {
        target.reference,
        *(variant.reference for variant in variants.offered(connection, target.reference)),
    }
    return any(one.reference not in going for one in tags)


def _untag_all(
    connection: Connection, tags: Sequence[TagTarget], now: datetime
) -> list[RemovedName]:
    done: list[RemovedName] = []
    for target in tags:
        # A variant has gone already, with its original.
        if RemovedName("untagged", target.reference.familiar) not in done:
            done += _untag(connection, target, now)
    return done


def _untag(connection: Connection, target: TagTarget, now: datetime) -> list[RemovedName]:
    _take_away(connection, target, now, "untag")
    return [
        RemovedName("untagged", target.reference.familiar),
        *withdraw(connection, target.reference, now=now, operation="untag"),
    ]


def _take_away(connection: Connection, target: TagTarget, now: datetime, operation: str) -> None:
    naming.remove_tag(connection, target, now=now, operation=operation)
    image = str(target.image_id) if target.image_id is not None else str(target.digest)
    records.add_events(
        connection, [Event(now, "untag", image, {"name": target.reference.familiar})]
    )


@final
@dataclass(frozen=True, slots=True)
class RemovedName:
    """One line of a removal: a tag that went (``untagged``) or an image that went with its last name (``deleted``)."""

    kind: str
    name: str
