"""Names given and taken: tag, untag, and removal by the rules of ``docker rmi``. Rows only; gc frees the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import collection, images, records, references
from store.errors import ImageInUse, InvalidReference, ReferenceNotFound
from store.model import Event, RemovedName
from store.naming import one_image

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.references import Target
    from store.db.types import ContentKey
    from store.naming import Named
    from store.references import Reference
    from store.values import ImageID


@final
@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag, the image it now names, and the one it named before when that was another."""

    reference: Reference
    image_id: ImageID
    replaced: ImageID | None


def tag(connection: Connection, source: str, name: Reference, *, now: datetime) -> TagChange:
    """See `store.facade.Store.tag`. A tag made from a tag names the very manifest or index that one names."""
    if name.digest is not None:
        raise InvalidReference(f"{name.familiar} has a digest: a tag cannot be made of it", text=name.familiar)
    if name.repository.familiar == "sha256":
        raise InvalidReference("refusing to create an ambiguous tag using digest algorithm as name", text=name.familiar)
    found = one_image(connection, source)
    before = references.get(connection, name)
    manifest = found.target.manifest if found.target is not None else images.manifests_of(connection, found.key)[0][0]
    references.set_tags(connection, {name: manifest}, now=now, operation="tag")
    records.add_events(connection, [Event(now, "tag", str(found.image_id), {"name": name.familiar})])
    replaced = before.image_id if before is not None and before.image_id != found.image_id else None
    return TagChange(name, found.image_id, replaced)


def untag(connection: Connection, name: Reference, *, now: datetime) -> tuple[RemovedName, ...]:
    """See `store.facade.Store.untag`."""
    target = references.get(connection, name)
    if target is None:
        raise ReferenceNotFound(f"No such tag: {name.familiar}", hint="`storectl images` lists the tags")
    _untag(connection, target, now)
    references.keep(connection, target.manifest, now=now)
    return (RemovedName("untagged", name.familiar),)


def remove(connection: Connection, name: str, *, force: bool, prune_parents: bool, now: datetime) -> tuple[RemovedName, ...]:
    """See `store.facade.Store.remove`. By tag: the tag goes, and with the last one the image. By ID: all tags, if they are of one repository or ``force``."""
    found = one_image(connection, name)
    tags = references.of_image(connection, found.key)
    if found.target is not None and len(tags) > 1:
        _untag(connection, found.target, now)
        references.drop(connection, (found.target.manifest,))
        return (RemovedName("untagged", found.target.reference.familiar),)
    if found.target is None and not force and len({target.reference.repository for target in tags}) > 1:
        raise ImageInUse(
            f"unable to delete {found.image_id.digest.short} (must be forced) - image is referenced in multiple repositories",
            hint="remove its tags by name, or use -f",
        )
    return _remove_whole(connection, found, tags, force=force, prune_parents=prune_parents, now=now)


def _remove_whole(
    connection: Connection, found: Named, tags: tuple[Target, ...], *, force: bool, prune_parents: bool, now: datetime
) -> tuple[RemovedName, ...]:
    children = images.children_of(connection, found.key)
    if children and not tags and not force:
        raise ImageInUse(
            f"unable to delete {found.image_id.digest.short} (cannot be forced) - image has dependent child images",
            hint=f"remove {', '.join(child.digest.short for child in children[:3])} first",
        )
    done = []
    for target in tags:
        _untag(connection, target, now)
        done.append(RemovedName("untagged", target.reference.familiar))
    if children:
        # As Docker: what others are built on loses its names and stays, without one.
        for manifest, _, _, _ in images.manifests_of(connection, found.key)[:1]:
            references.keep(connection, manifest, now=now)
        return tuple(done)
    parent = images.parent_of(connection, found.key)
    done.append(_give_up(connection, found.key, found.image_id, now))
    while prune_parents and parent is not None:
        key = images.key_of(connection, parent)
        if key is None or references.of_image(connection, key) or _has_other_children(connection, key, done):
            break
        above = images.parent_of(connection, key)
        done.append(_give_up(connection, key, parent, now))
        parent = above
    return tuple(done)


def _has_other_children(connection: Connection, key: ContentKey, gone: list[RemovedName]) -> bool:
    names = {one.name for one in gone if one.kind == "deleted"}
    return any(str(child) not in names for child in images.children_of(connection, key))


def _give_up(connection: Connection, key: ContentKey, image_id: ImageID, now: datetime) -> RemovedName:
    manifests = [manifest for manifest, _, _, _ in images.manifests_of(connection, key)]
    references.drop(connection, manifests)
    # The rows go at once, so that nobody finds the image any more; unless a running save still leans on them.
    collection.delete_manifests(connection, manifests)
    collection.delete_images(connection, [key])
    records.add_events(connection, [Event(now, "delete", str(image_id), {})])
    return RemovedName("deleted", str(image_id))


def _untag(connection: Connection, target: Target, now: datetime) -> None:
    references.remove_tag(connection, target, now=now, operation="untag")
    image = str(target.image_id) if target.image_id is not None else str(target.digest)
    records.add_events(connection, [Event(now, "untag", image, {"name": target.reference.familiar})])
