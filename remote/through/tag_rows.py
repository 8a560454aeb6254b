"""The memory of upstream tags in the catalogue of a store; it survives a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from remote.through.memory import SeenTag
from store.catalog.upstream import tags as upstream_tags
from store.catalog.upstream.tags import UpstreamTag

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.model.digests import Digest
    from store.model.references import Reference
    from store.workspace.workspace import Workspace


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
        with self._workspace.write("pull-through") as connection:
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
