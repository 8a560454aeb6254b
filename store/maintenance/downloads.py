"""The files of interrupted downloads: remove the old ones, and say what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.blobs.downloads import Downloads
from store.maintenance.reports import Kept, KeptReason
from store.model.moments import LATEST

if TYPE_CHECKING:
    from store.maintenance.collection import Tally
    from store.workspace.workspace import Workspace


def remove_expired(workspace: Workspace, tally: Tally, *, end_grace: bool, dry_run: bool) -> None:
    """Remove the files of interrupted downloads that are old, or above their ceiling.

    Args:
        workspace: The opened store.
        tally: Receives what is removed.
        end_grace: Whether to remove the others as well, except those that a download uses.
        dry_run: Whether to count the files only.
    """
    downloads = Downloads(workspace.root)
    now = LATEST if end_grace else workspace.now()
    if dry_run:
        sizes = [one.size_bytes for one in downloads.expired(now)]
    else:
        sizes = downloads.remove_expired(now)
        workspace.locks.sweep_tasks()
    tally.downloads += len(sizes)
    tally.freed_bytes += sum(sizes)


def kept(workspace: Workspace, *, end_grace: bool) -> list[Kept]:
    """Return the interrupted downloads that stay for the next pull, as one group.

    Args:
        workspace: The opened store.
        end_grace: Whether the collection removes all of them.
    """
    if end_grace:
        return []
    downloads = Downloads(workspace.root)
    expired = set(downloads.expired(workspace.now()))
    stay = [one for one in downloads.interrupted() if one not in expired]
    if not stay:
        return []
    size = sum(one.size_bytes for one in stay)
    return [Kept(KeptReason.DOWNLOAD, len(stay), size, until=max(one.until for one in stay))]
