"""The memory of upstream tags in the catalogue of a store.

All processes share it, and it survives a restart.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, final

from remote.through.memory import SeenTag, SeenTags
from store.catalog.upstream import tag_lists
from store.catalog.upstream import tags as upstream_tags
from store.catalog.upstream.tag_lists import TagList
from store.catalog.upstream.tags import UpstreamTag
from store.db.database import Durability
from store.model.limits import MIB

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.model.digests import Digest
    from store.model.references import Reference, Repository
    from store.workspace.workspace import Workspace

MAX_LISTS: Final = 4096
"""The most repositories whose lists of tags are remembered."""

MAX_LIST_BYTES: Final = 64 * MIB
"""The size of all lists that are remembered."""

_PUTS_PER_PRUNE: Final = 64
_WRITER: Final = "pull-through"


@final
class TagRows:
    """Upstream tags in the catalogue; implements `remote.through.memory.TagMemory`.

    Args:
        workspace: The opened store.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def get(self, name: Reference) -> SeenTag | None:
        """Return what was seen of a tag; None for a tag that was never pulled through."""
        with self._workspace.read() as connection:
            row = upstream_tags.get(connection, name)
        return None if row is None else SeenTag(*row)

    def put(self, name: Reference, seen: SeenTag) -> None:
        """Remember a tag in place of what was remembered of it.

        Raises:
            Unavailable: The catalogue cannot be written.
        """
        # A client waits. What a power cut undoes is asked again.
        with self._workspace.write(_WRITER, Durability.SOON) as connection:
            row = UpstreamTag(seen.digest, seen.etag, seen.checked_at)
            upstream_tags.put(connection, name, row)

    def claim(
        self, connection: Connection, name: Reference, seen: SeenTag, current: Digest | None
    ) -> bool:
        """Remember a tag in the transaction that sets it, unless something else has set it.

        Args:
            connection: The transaction.
            name: The repository and the tag.
            seen: What to remember.
            current: The digest that the tag has in the store; None if it does not exist there.

        Returns:
            Whether the tag may be set: it does not exist, or it was pulled through.
        """
        if current is not None:
            row = upstream_tags.get(connection, name)
            if row is None or row.digest != current:
                return False
        upstream_tags.put(connection, name, UpstreamTag(seen.digest, seen.etag, seen.checked_at))
        return True


@final
class TagListRows:
    """Lists of upstream tags in the catalogue; implements `remote.through.memory.ListMemory`.

    Args:
        workspace: The opened store.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._puts = itertools.count()

    def get(self, repository: Repository) -> SeenTags | None:
        """Return the list of a repository; None if no list is remembered."""
        with self._workspace.read() as connection:
            row = tag_lists.get(connection, repository)
        return None if row is None else SeenTags(tuple(row.tags), row.asked_at)

    def put(self, repository: Repository, seen: SeenTags) -> None:
        """Remember a list in place of the former one; an empty one is forgotten.

        The oldest lists above the ceilings are forgotten as well.

        Raises:
            Unavailable: The catalogue cannot be written.
        """
        with self._workspace.write(_WRITER) as connection:
            if not seen.tags:
                tag_lists.remove(connection, repository)
                return
            number = tag_lists.put(connection, repository, TagList(seen.tags, seen.asked_at))
            if next(self._puts) % _PUTS_PER_PRUNE == 0:
                tag_lists.prune(connection, number, most=MAX_LISTS, max_bytes=MAX_LIST_BYTES)
