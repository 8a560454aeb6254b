"""What a sync remembers of tags between runs, in the catalogue of a store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from store.catalog.upstream import synced_tags
from store.catalog.upstream.synced_tags import SyncedTag
from store.db.database import Durability

if TYPE_CHECKING:
    from datetime import datetime

    from remote.sync.items import Item
    from store.catalog.upstream.synced_tags import SyncedName
    from store.model.digests import Digest
    from store.workspace.workspace import Workspace

_WRITER: Final = "sync"

FLUSH_EVERY: Final = timedelta(seconds=1)
"""How often changes are written while a sync runs; one that is killed asks for these tags again."""


@final
class SyncMemory:
    """The tags of one sync.

    Args:
        workspace: The opened store.
        sync: The name of the sync.
        is_kept: Whether changes are written; a plan writes none.
    """

    def __init__(self, workspace: Workspace, sync: str, *, is_kept: bool = True) -> None:
        self._workspace = workspace
        self._sync = sync
        self._is_kept = is_kept
        self._changed: dict[SyncedName, SyncedTag] = {}
        self._flushed_at = workspace.now()
        with workspace.read() as connection:
            self._rows = synced_tags.of_sync(connection, sync)

    def get(self, item: Item) -> SyncedTag | None:
        """Return what was seen of an image; None for nothing."""
        found = self._rows.get(item.key)
        is_same = found is not None and found.source == str(item.source.repository)
        return found if is_same else None

    def rows(self) -> dict[SyncedName, SyncedTag]:
        """Return all that is remembered."""
        return dict(self._rows)

    def note_checked(self, item: Item, digest: Digest, etag: str, now: datetime) -> None:
        """Remember that the registry has named the digest of a tag, which is here."""
        self._put(item, digest, etag, item.parts.fingerprint, now)

    def note_time(
        self, item: Item, digest: Digest, created: datetime | None, now: datetime
    ) -> None:
        """Remember when the image of a tag was created."""
        old = self.get(item)
        is_same = old is not None and old.digest == digest
        self._set(
            item.key,
            SyncedTag(
                str(item.source.repository),
                digest,
                old.etag if old is not None and is_same else "",
                old.parts if old is not None and is_same else "",
                created,
                now,
                0,
            ),
        )

    def note_failure(self, item: Item, now: datetime) -> None:
        """Count a failure; what was seen before stays."""
        old = self.get(item)
        if item.target.tag is None:
            return
        if old is None:
            old = SyncedTag(str(item.source.repository), None, "", "", None, now, 0)
        self._set(item.key, old._replace(failures=old.failures + 1))

    def forget(self, name: SyncedName) -> None:
        """Forget a tag that was removed by a write unit of the caller."""
        self._rows.pop(name, None)
        self._changed.pop(name, None)

    def flush_sometimes(self) -> None:
        """Write what has changed, unless that was done a moment ago.

        Raises:
            Unavailable: The catalogue cannot be written.
        """
        now = self._workspace.now()
        if now - self._flushed_at >= FLUSH_EVERY or now < self._flushed_at:
            self._flushed_at = now
            self.flush()

    def flush(self) -> None:
        """Write what has changed.

        Raises:
            Unavailable: The catalogue cannot be written.
        """
        changed, self._changed = self._changed, {}
        if changed and self._is_kept:
            # What a power cut undoes is asked again.
            with self._workspace.write(_WRITER, Durability.SOON) as connection:
                synced_tags.put(connection, self._sync, changed)

    def _put(self, item: Item, digest: Digest, etag: str, parts: str, now: datetime) -> None:
        if item.target.tag is None:
            return
        old = self.get(item)
        created = old.created_at if old is not None and old.digest == digest else None
        source = str(item.source.repository)
        self._set(item.key, SyncedTag(source, digest, etag, parts, created, now, 0))

    def _set(self, name: SyncedName, row: SyncedTag) -> None:
        self._rows[name] = self._changed[name] = row
