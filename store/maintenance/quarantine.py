"""The files in quarantine: give them back to rows that name them, and remove them after a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.blobs.quarantine import Quarantine, kept_until
from store.catalog import content
from store.catalog.batches import batches
from store.maintenance.reports import Kept, KeptReason

if TYPE_CHECKING:
    from store.blobs.quarantine import Quarantined
    from store.maintenance.collection import Tally
    from store.workspace.workspace import Workspace


def give_back(workspace: Workspace) -> int:
    """Move files back among the blobs if a row names them again and their place is free.

    This is so after the catalogue was restored from a backup.

    Args:
        workspace: The opened store, which is not read-only.

    Returns:
        The number of files that were moved.
    """
    quarantine, moved = Quarantine(workspace.root), 0
    for file in _with_rows(workspace, tuple(quarantine.files())):
        with workspace.write("quarantine") as connection:
            if content.has_blob_row(connection, file.digest):
                moved += quarantine.give_back(file)
    return moved


def _with_rows(workspace: Workspace, files: tuple[Quarantined, ...]) -> list[Quarantined]:
    if not files:
        return []
    with workspace.read() as connection:
        known = {
            digest
            for some in batches([file.digest for file in files])
            for digest in content.with_blob_rows(connection, some)
        }
    blobs = workspace.blobs
    return [
        file
        for file in files
        if file.digest in known and blobs.size(blobs.location(file.digest)) is None
    ]


def remove_expired(workspace: Workspace, tally: Tally, *, dry_run: bool) -> None:
    """Remove the files that have been in quarantine long enough.

    Args:
        workspace: The opened store.
        tally: Receives what is removed.
        dry_run: Whether to count the files only.
    """
    now = workspace.now()
    quarantine = Quarantine(workspace.root, workspace.quarantine_for)
    for file in quarantine.files():
        if file.until <= now:
            tally.freed_bytes += file.size_bytes if dry_run else quarantine.remove(file)
            tally.orphans += 1


def kept(workspace: Workspace, tally: Tally, *, dry_run: bool) -> list[Kept]:
    """Return what stays in quarantine, as one group.

    Args:
        workspace: The opened store.
        tally: What the collection has set aside, or would set aside.
        dry_run: Whether the files of ``tally`` are still among the blobs.
    """
    now = workspace.now()
    stay = [
        file
        for file in Quarantine(workspace.root, workspace.quarantine_for).files()
        if file.until > now
    ]
    sizes = [file.size_bytes for file in stay]
    ends = [file.until for file in stay]
    if dry_run:
        sizes += tally.set_aside
        ends += [kept_until(now, workspace.quarantine_for)] * len(tally.set_aside)
    if not sizes:
        return []
    return [Kept(KeptReason.QUARANTINED, len(sizes), sum(sizes), until=max(ends))]
