"""Uploads to a registry: bytes arrive in several requests, and become a blob at the end.

An upload is a file in ``uploads/`` and a row in the catalogue; file and row survive a restart. The
file is locked only while a request writes to it. The row holds the number of valid bytes in the
file, and these bytes are durable. If a killed server wrote more bytes, the next request cuts off
these bytes. The row itself need not be durable. After a power cut the row may have an earlier
offset; then the client continues from that offset. Or the row may be missing; then the client
begins a new upload.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from store.catalog import serving
from store.catalog.in_progress import uploads
from store.db.database import Durability
from store.errors import TooManyUploads, Unavailable, UploadInUse, UploadNotFound, printable
from store.files.creation import NO_FOLLOW, create_file, create_folder
from store.files.os_errors import translated
from store.registry.hash_states import HashStates
from store.registry.holding import is_quiet, note_activity
from store.registry.upload import Upload
from store.workspace.file_locks import UPLOADS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.database import Lookup
    from store.model.references import Repository
    from store.registry.upload_owner import UploadOwner
    from store.workspace.locks import Lock
    from store.workspace.workspace import Workspace

IDLE_S: Final = 24 * 3600
"""Seconds without new bytes after which an upload is removed."""

EMPTY_S: Final = 300
"""Seconds after which an upload is removed if it never received a byte."""

OWNER_UPLOADS: Final = 100
"""The number of uploads that one owner may always have in progress."""

_OWNERS: Final = 100
"""One owner may have this fraction of all uploads, if the fraction is more than `OWNER_UPLOADS`."""

_STRAY_S: Final = 3600
"""Age in seconds at which a file without a row is removed."""

_IDENTIFIER: Final = re.compile(r"[0-9a-f]{32}")


@final
class Uploads:
    """The uploads of one store. Threads may share this object.

    Args:
        workspace: The opened store.
        max_bytes: The largest blob that can be uploaded, in bytes.
        max_uploads: The largest number of uploads in progress, for all processes together; None for
            no limit. Each owner may have a hundredth of these uploads, and at least
            `OWNER_UPLOADS`.

    Attributes:
        max_bytes: The largest blob that can be uploaded, in bytes.
    """

    def __init__(
        self, workspace: Workspace, *, max_bytes: int, max_uploads: int | None = None
    ) -> None:
        self.max_bytes = max_bytes
        self._workspace = workspace
        self._folder = workspace.root / UPLOADS
        self._max_uploads = max_uploads
        self._limit_of_owner = max(OWNER_UPLOADS, (max_uploads or 0) // _OWNERS)
        self._hash_states = HashStates()

    def begin(self, repository: Repository, owner: UploadOwner | None = None) -> str:
        """Begin an upload; return its ID.

        Args:
            repository: The repository that will serve the blob.
            owner: The user or network that begins the upload; None for code of this process, which
                may begin as many uploads as the store may have.

        Raises:
            TooManyUploads: The store or the owner already has as many uploads in progress as it may
                have.
            Unavailable: The store's folder is missing, or a file cannot be created in it.
        """
        # A refusal must cost less than an upload: do not create a file first.
        with self._workspace.look() as lookup:
            self._require_room(lookup, owner)
        must_note = is_quiet(self._workspace, repository)
        upload_id = os.urandom(16).hex()
        upload = self._make(upload_id)
        try:
            with self._workspace.write(f"upload {upload_id}", Durability.SOON) as connection:
                now = self._workspace.now()
                if not uploads.add(
                    connection,
                    upload_id,
                    str(repository),
                    now,
                    None if owner is None else owner.key,
                    most=self._max_uploads,
                    most_of_owner=self._limit_of_owner,
                ):
                    # Other processes have begun uploads since.
                    self._require_room(connection, owner)
                if must_note:
                    # The requests that follow soon need no transaction of their own for this.
                    serving.note_blobs(connection, repository, now)
        except BaseException:
            upload.discard()
            raise
        upload.close()
        return upload_id

    def once(self, repository: Repository) -> Upload:
        """Begin an upload that ends with this request; it cannot be resumed.

        Args:
            repository: The repository that will serve the blob.
        """
        note_activity(self._workspace, repository)
        return self._make(os.urandom(16).hex(), repository)

    def count(self) -> int:
        """Return how many uploads are in progress."""
        with self._workspace.read() as connection:
            return uploads.count(connection)

    def offset(
        self, repository: Repository, upload_id: str, owner: UploadOwner | None = None
    ) -> int:
        """Return the number of bytes that an upload has.

        Args:
            repository: The upload's repository.
            upload_id: ID of the upload.
            owner: The user or network that asks; None for code of this process, which may use every
                upload.

        Raises:
            UploadNotFound: This owner has no such upload in this repository.
        """
        path = self._path(upload_id)
        with self._workspace.look() as connection:
            row = uploads.get(connection, upload_id)
        if row is None or row.repository != str(repository):
            raise _unknown(upload_id)
        if owner is not None and not owner.may_continue(row.owner):
            # The same answer as for an unknown upload: nobody learns whose uploads there are.
            raise _unknown(upload_id)
        try:
            # After a crash, the file may be shorter than its row says. The digest is checked at the
            # end.
            return min(row.offset_bytes, path.stat().st_size)
        except FileNotFoundError:
            raise _unknown(upload_id) from None

    def resume(
        self, repository: Repository, upload_id: str, owner: UploadOwner | None = None
    ) -> Upload:
        """Continue an upload at its offset. The upload is locked until the result is closed.

        Args:
            repository: The upload's repository.
            upload_id: ID of the upload.
            owner: The user or network that continues the upload; None for code of this process,
                which may use every upload.

        Raises:
            UploadNotFound: This owner has no such upload in this repository.
            UploadInUse: Another request is writing to the upload.
        """
        path = self._path(upload_id)
        # Look before the lock: an upload in use must look like no upload to a different owner.
        self.offset(repository, upload_id, owner)
        lock = self._lock(upload_id)
        try:
            descriptor = os.open(path, os.O_RDWR | NO_FOLLOW)
        except FileNotFoundError:
            lock.release()
            raise _unknown(upload_id) from None
        try:
            offset_bytes = self.offset(repository, upload_id, owner)
            if os.fstat(descriptor).st_size > offset_bytes:
                os.ftruncate(descriptor, offset_bytes)
                # If the request has no bytes, it publishes the file without another sync, so the
                # new end of the file has to be durable now.
                with translated(path):
                    os.fsync(descriptor)
            os.lseek(descriptor, offset_bytes, os.SEEK_SET)
            note_activity(self._workspace, repository)
            return self._opened(
                upload_id, repository, path, lock, descriptor, offset_bytes, has_row=True
            )
        except BaseException:
            os.close(descriptor)
            lock.release()
            raise

    def cancel(
        self, repository: Repository, upload_id: str, owner: UploadOwner | None = None
    ) -> None:
        """Cancel an upload: remove its row and its file.

        Args:
            repository: The upload's repository.
            upload_id: ID of the upload.
            owner: The user or network that cancels the upload; None for code of this process, which
                may use every upload.

        Raises:
            UploadNotFound: This owner has no such upload in this repository.
            UploadInUse: Another request is writing to the upload.
        """
        self.resume(repository, upload_id, owner).discard()

    def expire(self) -> int:
        """Remove uploads that are idle, or empty for too long.

        Returns:
            The number of uploads removed.
        """
        return sum(
            self.sweep(upload_id, untouched_since=before) for upload_id, before in self.idle()
        )

    def idle(self) -> list[tuple[str, datetime]]:
        """Return the ID of each upload to be removed, and the time since which it is idle."""
        now = self._workspace.now()
        found: dict[str, datetime] = {}
        with self._workspace.read() as connection:
            for seconds, is_empty in ((IDLE_S, False), (EMPTY_S, True)):
                before = now - timedelta(seconds=seconds)
                for upload_id in uploads.idle(connection, before, is_empty=is_empty):
                    found.setdefault(upload_id, before)
        return list(found.items())

    def remove_strays(self) -> int:
        """Remove files that belong to no upload, an hour after they were last changed.

        Returns:
            The number of files removed.
        """
        return sum(self.sweep(name) for name in self.strays())

    def strays(self) -> list[str]:
        """Return the names of the files that belong to no upload, an hour after their last change.

        A file with a different form of name is left alone.
        """
        try:
            paths = sorted(self._folder.iterdir())
        except FileNotFoundError:
            return []
        return [
            path.name for path in paths if _IDENTIFIER.fullmatch(path.name) and self._is_stray(path)
        ]

    def path(self, upload_id: str) -> Path:
        """Return the path of the file of an upload.

        Raises:
            UploadNotFound: This cannot be the ID of an upload.
        """
        return self._path(upload_id)

    def sweep(self, upload_id: str, *, untouched_since: datetime | None = None) -> bool:
        """Remove an upload unless a request is writing to it; return whether it was removed.

        Args:
            upload_id: ID of the upload.
            untouched_since: Keep the upload if it has received bytes at this time or later; None
                for a file that has no row.
        """
        path = self._path(upload_id)
        lock = self._workspace.locks.lock_upload(path.name)
        if lock is None:
            return False
        try:
            with self._workspace.write("uploads") as connection:
                had_row = uploads.forget(connection, path.name, untouched_since=untouched_since)
            if not had_row and untouched_since is not None:
                # A request has continued the upload since its row was read.
                return False
            try:
                path.unlink()
            except FileNotFoundError:
                return had_row
        finally:
            lock.release()
        return True

    # --- parts ------------------------------------------------------------------------------------

    def _require_room(self, connection: Connection | Lookup, owner: UploadOwner | None) -> None:
        if self._max_uploads is None:
            return
        if uploads.count(connection) >= self._max_uploads:
            raise TooManyUploads(
                f"cannot begin an upload: {self._max_uploads} uploads are in progress",
                hint="finish or cancel some uploads; an empty upload ends after five minutes",
            )
        limit = self._limit_of_owner
        if owner is not None and uploads.count(connection, owner.key) >= limit:
            raise TooManyUploads(
                f"cannot begin an upload: {limit} uploads of {printable(str(owner))} are in"
                " progress",
                hint="finish or cancel some uploads; an empty upload ends after five minutes",
            )

    def _make(self, upload_id: str, repository: Repository | None = None) -> Upload:
        path = self._folder / upload_id
        with translated(path):
            try:
                descriptor = self._create(path)
            except FileNotFoundError as exc:
                raise Unavailable(
                    f"cannot begin an upload: {self._folder.parent} does not exist",
                    hint="check that the store's file system is mounted",
                ) from exc
        return self._opened(
            upload_id, repository, path, self._lock(upload_id), descriptor, 0, has_row=False
        )

    def _create(self, path: Path) -> int:
        try:
            return create_file(path, os.O_RDWR)
        except FileNotFoundError:
            with suppress(FileExistsError):
                create_folder(self._folder)
            return create_file(path, os.O_RDWR)

    def _opened(
        self,
        upload_id: str,
        repository: Repository | None,
        path: Path,
        lock: Lock,
        descriptor: int,
        offset_bytes: int,
        *,
        has_row: bool,
    ) -> Upload:
        return Upload(
            self._workspace,
            upload_id,
            repository,
            path=path,
            lock=lock,
            descriptor=descriptor,
            offset_bytes=offset_bytes,
            hash_states=self._hash_states,
            max_bytes=self.max_bytes,
            has_row=has_row,
        )

    def _path(self, upload_id: str) -> Path:
        if not _IDENTIFIER.fullmatch(upload_id):
            raise _unknown(upload_id)
        return self._folder / upload_id

    def _lock(self, upload_id: str) -> Lock:
        lock = self._workspace.locks.lock_upload(upload_id)
        if lock is None:
            raise UploadInUse(
                f"another request is writing to the upload {upload_id}",
                hint="wait until that request has ended, then ask for the upload's offset",
            )
        return lock

    def _is_stray(self, path: Path) -> bool:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        age_s = self._workspace.now().timestamp() - status.st_mtime
        if not stat.S_ISREG(status.st_mode) or age_s < _STRAY_S:
            return False
        with self._workspace.read() as connection:
            return uploads.get(connection, path.name) is None


def _unknown(upload_id: str) -> UploadNotFound:
    return UploadNotFound(
        f"no upload {printable(upload_id[:64])!r} is in progress", hint="begin a new upload"
    )
