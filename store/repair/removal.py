"""The removal of what cannot be saved: names, manifests, images, and the rows of lost bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import events, manifests, naming, references
from store.catalog.checking import losses
from store.catalog.collection import condemned, garbage
from store.catalog.events import Event
from store.names.tagging import RemovedName, record_deleted

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest

OPERATION = "repair"
"""The name of this change in the log of references, and in the events."""


def remove_lost(
    connection: Connection, lost: Collection[Digest], now: datetime
) -> tuple[RemovedName, ...]:
    """Remove every name, manifest and image that needs lost bytes; the bytes count as absent.

    An index whose other manifests are sound stays, as a sparse index. Sound manifests of an index
    that goes are kept without a name.

    Args:
        connection: A write unit.
        lost: The digests of the lost content.
        now: The current time.

    Returns:
        A line for each removed tag, and for each deleted image and manifest.
    """
    doomed = losses.doomed(connection, lost)
    removed: list[RemovedName] = []
    for key in sorted(doomed):
        for target in references.of_manifest(connection, key):
            naming.remove_tag(connection, target, now=now, operation=OPERATION)
            name = target.reference.familiar
            removed.append(RemovedName("untagged", name))
            events.add_events(
                connection,
                [Event(now, "untag", str(target.image_id or target.digest), {"name": name})],
            )
    for key in sorted(losses.children(connection, doomed) - doomed):
        naming.keep(connection, key, now=now)
    naming.drop(connection, sorted(doomed))
    described = manifests.images_of(connection, sorted(doomed))
    gone = losses.delete_manifests(connection, doomed)
    images = garbage.delete_images(connection, described)
    losses.forget(connection, {*lost, *gone})
    condemned.condemn(connection, [*lost, *gone], now)
    deleted = [str(one) for one in (*images, *gone)]
    record_deleted(connection, deleted, now, OPERATION)
    removed += [RemovedName("deleted", one) for one in deleted]
    return tuple(removed)
