"""Tags that a sync made and that are no longer listed: their choice, and their removal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from remote.sync.report import Became, SyncedImage
from remote.sync.sources import REMOTE
from store.catalog import naming, references
from store.catalog.lists import tag_changes
from store.catalog.upstream import synced_tags
from store.model.references import Reference, Repository
from store.names.tagging import untag_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from remote.sync.listing import Listing
    from remote.sync.memory import SyncMemory
    from remote.sync.sources import SyncFile
    from store.catalog.references import TagTarget
    from store.catalog.upstream.synced_tags import SyncedName, SyncedTag
    from store.workspace.workspace import Workspace


@final
@dataclass(slots=True)
class Stale:
    """What a sync remembers, and its file no longer lists.

    Attributes:
        removable: The tags to remove.
        forgotten: Tags that were never taken, and that the registry no longer has.
        blocked: The repositories whose tags could not be listed; then no tag is removed.
    """

    removable: dict[SyncedName, SyncedTag] = field(default_factory=dict)
    forgotten: list[SyncedName] = field(default_factory=list)
    blocked: tuple[str, ...] = ()


def find_stale(
    file: SyncFile,
    listing: Listing,
    rows: Mapping[SyncedName, SyncedTag],
    *,
    prunes: bool,
) -> Stale:
    """Return the tags that a sync made and that are no longer listed.

    Args:
        file: The file.
        listing: The images that it lists now.
        rows: What the sync remembers.
        prunes: Whether to remove tags also where the file does not say so.
    """
    listed = {item.key for item in listing.items} | {item.key for item, _ in listing.conflicts}
    pruned = {
        (str(source.place), str(source.repository)): prunes or source.prunes
        for source in sorted(file.sources, key=lambda one: one.prunes)
    }
    stale = Stale()
    for name, row in rows.items():
        if name in listed or name.place.startswith(REMOTE):
            continue
        if not row.parts:
            if name.tag not in listing.tags.get(row.source, (name.tag,)):
                stale.forgotten.append(name)
        elif pruned.get((name.place, row.source), prunes or file.prunes):
            stale.removable[name] = row
    if listing.failures and (prunes or file.prunes or any(one.prunes for one in file.sources)):
        stale.removable = {}
        stale.blocked = tuple(str(source.repository) for source, _ in listing.failures)
    return stale


@final
class Pruning:
    """The removal of stale tags of one sync.

    Args:
        workspace: The opened store.
        sync: The name of the sync.
        operation: The ID for the log of references.
        is_plan: Whether to change nothing.
    """

    def __init__(self, workspace: Workspace, sync: str, operation: str, *, is_plan: bool) -> None:
        self._workspace = workspace
        self._sync = sync
        self._operation = operation
        self._is_plan = is_plan

    def run(self, stale: Stale, memory: SyncMemory) -> list[SyncedImage]:
        """Remove stale tags in one transaction; return what was, or would be, removed.

        Their images stay, without a tag.

        Args:
            stale: The tags.
            memory: What the sync remembers; it forgets these tags.

        Raises:
            Unavailable: The catalogue cannot be written.
        """
        if not stale.removable and not stale.forgotten:
            return []
        if self._is_plan:
            with self._workspace.read() as connection:
                return [
                    _removed(name, row, target)
                    for name, row, target in self._own(connection, stale.removable)
                ]
        now = self._workspace.now()
        with self._workspace.write(self._operation) as connection:
            done = []
            for name, row, target in list(self._own(connection, stale.removable)):
                self._remove(connection, target, now)
                done.append(_removed(name, row, target))
            gone = [*stale.removable, *stale.forgotten]
            synced_tags.forget(connection, self._sync, gone)
        for name in gone:
            memory.forget(name)
        return done

    def _own(
        self, connection: Connection, rows: Mapping[SyncedName, SyncedTag]
    ) -> Iterator[tuple[SyncedName, SyncedTag, TagTarget]]:
        """Yield the tags that this sync has set, and that nobody has set since."""
        names = {name: _reference(name) for name in rows}
        targets = references.get_all(connection, names.values())
        for name, reference in names.items():
            target = targets.get(reference)
            if target is None or target.digest != rows[name].digest:
                continue
            if _is_set_by_syncs(connection, target) and not synced_tags.is_kept_by_others(
                connection, self._sync, name
            ):
                yield name, rows[name], target

    def _remove(self, connection: Connection, target: TagTarget, now: datetime) -> None:
        # A variant of another tag may have been removed together with it.
        if references.get(connection, target.reference) is not None:
            untag_target(connection, target, now, self._operation)
            naming.keep(connection, target.manifest, now=now)


def _is_set_by_syncs(connection: Connection, target: TagTarget) -> bool:
    """Return whether the last change of a tag was that of a sync, as far as is recorded."""
    last = tag_changes.changes(connection, target.reference, limit=1)
    return bool(last) and tag_changes.is_run(last[0].kind)


def _reference(name: SyncedName) -> Reference:
    domain, _, path = name.place.partition("/")
    return Reference(Repository(domain, path), name.tag)


def _removed(name: SyncedName, row: SyncedTag, target: TagTarget) -> SyncedImage:
    return SyncedImage(
        Became.REMOVED,
        Reference(Repository.parse(row.source), name.tag),
        target.reference,
        name.place,
        before=target.digest,
    )
