"""What a collection keeps, so that changes of tags can still be rolled back for some time."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.catalog import content
from store.catalog.collection import reachability
from store.catalog.lists import tag_changes

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.model.digests import Digest
    from store.workspace.workspace import Workspace


@final
class Retention:
    """Finds the content that tags could be rolled back to.

    Args:
        workspace: The opened store; its ``undo_for`` says how far back.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._removed: dict[Digest, set[ContentKey]] = {}

    def keys(self, connection: Connection) -> frozenset[ContentKey]:
        """Return the row numbers of the manifests and content to keep.

        Args:
            connection: An open transaction; what it sees is what is answered for.
        """
        if not self._workspace.undo_for:
            return frozenset()
        found, _ = tag_changes.replaced_since(connection, self._since())
        kept = reachability.all_below(connection, found.values())
        for digest, key in found.items():
            if key in kept:
                continue
            # What a removed manifest needs does not change, so it is read only once.
            if digest not in self._removed:
                self._removed[digest] = self._needed(connection, digest)
            kept |= self._removed[digest]
        return frozenset(kept)

    def until(self, connection: Connection) -> datetime | None:
        """Return when the last of the content is free; None if nothing is kept."""
        if not self._workspace.undo_for:
            return None
        _, newest = tag_changes.replaced_since(connection, self._since())
        return None if newest is None else newest + self._workspace.undo_for

    def _since(self) -> datetime:
        return self._workspace.now() - self._workspace.undo_for

    def _needed(self, connection: Connection, digest: Digest) -> set[ContentKey]:
        from store.undo import revival  # noqa: PLC0415 - most collections do without
        from store.undo.documents import Documents  # noqa: PLC0415

        try:
            found = revival.find(connection, digest, Documents(self._workspace))
        except revival.GoneError:
            # What cannot come back need not stay.
            return set()
        kept = reachability.all_below(connection, found.there)
        digests = {one for revived in found.revived for one in revived.digests}
        kept.update(row.key for row in content.find(connection, digests).values())
        return kept
