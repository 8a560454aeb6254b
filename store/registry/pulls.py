"""Pulls: events for manifests that clients have taken, written in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.catalog import images, manifests
from store.catalog.events import Event, add_events, remove_old_reads
from store.db.database import Durability
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from store.model.actors import Actor
    from store.model.digests import Digest
    from store.model.references import Repository
    from store.workspace.workspace import Workspace

PULLS: Final = "pulls"
"""The reader of all pulls, so that they have a ceiling apart from that of other events.

The readers of archives are ``anonymous`` and ``user:NAME``.
"""

MAX_PULL_EVENTS: Final = 100_000
"""The number of events ``pull`` that are kept; the oldest are removed first."""


@final
@dataclass(frozen=True, slots=True)
class Pull:
    """One client's pulls of one manifest under one name.

    Args:
        repository: The repository that has served the manifest.
        target: The tag or digest that the client used.
        digest: The digest of the manifest.
        actor: The client.
        at: The time of the first of these pulls.
        count: The number of these pulls.
    """

    repository: Repository
    target: str | Digest
    digest: Digest
    actor: Actor
    at: datetime
    count: int = 1

    @property
    def name(self) -> str:
        """The name that the client used, in its familiar form."""
        tag, digest = (self.target, None) if isinstance(self.target, str) else (None, self.target)
        return Reference(self.repository, tag, digest).familiar


def record_pulls(workspace: Workspace, pulls: Sequence[Pull]) -> None:
    """Record pulls as events in one transaction, which need not survive a power cut.

    Nothing happens if the store is read-only.

    Args:
        workspace: The opened store.
        pulls: The pulls, oldest first.
    """
    if workspace.read_only or not pulls:
        return
    with workspace.write("events", Durability.SOON) as connection:
        described = manifests.image_of_each(connection, {one.digest for one in pulls})
        ids = images.ids_of(connection, described.values())
        add_events(
            connection,
            [
                Event(
                    one.at,
                    "pull",
                    str(ids[described[one.digest]] if one.digest in described else one.digest),
                    {
                        "name": one.name,
                        **({"count": str(one.count)} if one.count > 1 else {}),
                        **one.actor.facts,
                    },
                )
                for one in pulls
            ],
            reader=PULLS,
        )
        remove_old_reads(connection, reader=PULLS, keep=MAX_PULL_EVENTS)
