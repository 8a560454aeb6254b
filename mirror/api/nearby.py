"""The sentence of an offline server about a manifest that it lacks, and what it has instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mirror.access import Action
from store.model.digests import Digest
from store.registry.nearby import platforms_beside, repositories_beside, tags_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirror.api.call import Call
    from store.model.references import Repository

OFFLINE: Final = "the store does not have it, and this server is offline"


async def offline(call: Call) -> str:
    """Return why a manifest is missing, with tags, platforms or repositories that are near.

    Only what the caller may read is named.

    Args:
        call: The request, with a repository and a tag or digest that the store lacks.
    """
    near = await call.service.pools.read(_near, call)
    return f"{OFFLINE}; {near}" if near else OFFLINE


def _near(call: Call) -> str:
    service, repository, target = call.service, call.repository, call.tag_or_digest
    if isinstance(target, Digest):
        platforms = platforms_beside(service.store, repository, target)
        return f"it has the image of this index for {_listed(platforms)}" if platforms else ""
    spelled = service.names.spell(repository)
    if tags := tags_beside(service.store, repository, target):
        return f"it has {_listed([f'{spelled}:{tag}' for tag in tags])}"

    def may_read(one: Repository) -> bool:
        return service.access.allows(call.caller, Action.READ, one)

    similar = repositories_beside(service.store, repository, may_read)
    return f"it has {_listed([service.names.spell(one) for one in similar])}" if similar else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
