"""The uploads as a garbage collection sees them: uploads to remove, and uploads in progress."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, final

from store.catalog.in_progress import uploads
from store.files.sizes import file_bytes
from store.registry.uploads import EMPTY_S, IDLE_S, Uploads

if TYPE_CHECKING:
    from store.workspace.workspace import Workspace


@final
class UploadCollection:
    """The idle uploads of a store, and the uploads in progress.

    Args:
        workspace: The opened store.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._uploads = Uploads(workspace, max_bytes=0)

    def remove_idle(self) -> list[int]:
        """Remove uploads that have been idle for too long, and files without an upload.

        Returns:
            The size of each removed file in bytes.
        """
        removed = []
        for upload_id, before in self._candidates():
            size = file_bytes(self._uploads.path(upload_id))
            if self._uploads.sweep(upload_id, untouched_since=before):
                removed.append(size)
        return removed

    def idle(self) -> list[int]:
        """Return the size of each file that `remove_idle` would remove, in bytes."""
        sizes = []
        for upload_id, _ in self._candidates():
            lock = self._workspace.locks.lock_upload(upload_id)
            if lock is not None:
                lock.release()
                sizes.append(file_bytes(self._uploads.path(upload_id)))
        return sizes

    def in_progress(self) -> list[tuple[str, int, datetime]]:
        """Return the repository, the size in bytes and the end of each upload in progress.

        The end is the time from which a collection removes the upload if it stays idle.
        """
        idle = {upload_id for upload_id, _ in self._candidates()}
        with self._workspace.read() as connection:
            rows = uploads.sessions(connection)
        return [
            (
                row.repository,
                file_bytes(self._uploads.path(row.id)),
                row.touched_at + timedelta(seconds=IDLE_S if row.offset_bytes else EMPTY_S),
            )
            for row in rows
            if row.id not in idle
        ]

    def _candidates(self) -> list[tuple[str, datetime | None]]:
        return [*self._uploads.idle(), *((name, None) for name in self._uploads.strays())]
