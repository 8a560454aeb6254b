"""One request's access to an upload: append bytes, then finish, suspend or discard the upload."""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self, final

from store.catalog import content, serving
from store.catalog.collection.grace import ACTIVITY_S
from store.catalog.in_progress import pushes, uploads
from store.db.database import Durability
from store.errors import (
    DigestMismatch,
    OutOfOrder,
    StorageFull,
    TooLarge,
    Unavailable,
    printable,
)
from store.files.os_errors import translated
from store.files.page_cache import begin_writeback
from store.files.space.shortage import free_bytes
from store.model.digests import Digest
from store.model.limits import MIB
from store.model.remedies import Remedy
from store.registry.holding import note_activity
from store.workspace.soundness import is_kept_otherwise, mark_lost, unsound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from hashlib import _Hash
    from pathlib import Path

    from sqlalchemy import Connection

    from store.model.references import Repository
    from store.registry.hash_states import HashStates
    from store.workspace.locks import Lock
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_NOTE_INTERVAL: Final = timedelta(seconds=ACTIVITY_S)
"""How often the activity of an upload is recorded."""

_READ_BYTES: Final = 4 * MIB
"""Bytes per read when a file is hashed again."""

_WRITE_BYTES: Final = MIB
"""Bytes that one call writes or hashes.

Other threads run during a call. After the call, this thread has to wait for the other threads.
"""

_WRITEBACK_BYTES: Final = 4 * MIB
"""Bytes after which the kernel is asked to write them to the disk."""


@final
class Upload:
    """One request's exclusive access to an upload, until `close`, `finish` or `discard` is called.

    Attributes:
        id: Unique ID of the upload.
        offset_bytes: Number of bytes that the upload has.
    """

    def __init__(  # noqa: PLR0913 - only `store.registry.uploads` makes uploads
        self,
        workspace: Workspace,
        upload_id: str,
        repository: Repository | None,
        *,
        path: Path,
        lock: Lock,
        descriptor: int,
        offset_bytes: int,
        hash_states: HashStates,
        max_bytes: int,
        has_row: bool,
    ) -> None:
        self.id = upload_id
        self.offset_bytes = offset_bytes
        self._workspace = workspace
        self._repository = repository
        self._path = path
        self._lock = lock
        self._descriptor = descriptor
        self._hash_states = hash_states
        self._hasher: _Hash | None = hash_states.take(upload_id, offset_bytes)
        self._max_bytes = max_bytes
        self._has_row = has_row
        self._first_offset = offset_bytes
        self._writeback_offset = offset_bytes
        self._noted_at = workspace.now()
        self._is_open = True
        self._is_hopeless = False
        self._published_as: Digest | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def expect(self, first_byte: int) -> None:
        """Check that a chunk begins where the upload ends.

        Args:
            first_byte: The offset of the chunk.

        Raises:
            OutOfOrder: The chunk begins at a different offset.
        """
        if first_byte != self.offset_bytes:
            raise OutOfOrder(
                f"cannot append at offset {first_byte}: the upload ends at offset"
                f" {self.offset_bytes}",
                offset_bytes=self.offset_bytes,
                hint="continue at the offset where the upload ends",
            )

    def admit(self, size_bytes: int) -> None:
        """Check that a body of a known size fits, before any of its bytes is received.

        If it does not fit, `close` cancels the upload.

        Args:
            size_bytes: The size of the body.

        Raises:
            TooLarge: The upload would exceed the size limit for blobs.
            StorageFull: The file system has no room for the body.
        """
        with self._cancelled_if_hopeless():
            self._require_size(size_bytes)
            with translated(self._path):
                free = free_bytes(self._path.parent)
            if size_bytes > free:
                raise StorageFull(
                    f"cannot receive a body of {size_bytes} bytes: {free} bytes are free",
                    hint="free some space on the store's file system",
                    remedy=Remedy.COLLECT_GARBAGE,
                )

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``.

        If the upload is too large, or the disk is full, all of its bytes are removed at once, so
        that they do not keep the disk full, and `close` cancels the upload.

        Raises:
            TooLarge: The upload would exceed the size limit for blobs.
            StorageFull: The file system is full.
            Unavailable: The disk failed.
        """
        with self._cancelled_if_hopeless():
            self._require_size(len(data))
            self._note_activity()
            self._append(memoryview(data))

    def _require_size(self, more_bytes: int) -> None:
        if self.offset_bytes + more_bytes > self._max_bytes:
            raise TooLarge(
                f"the blob is larger than {self._max_bytes} bytes", limit=self._max_bytes
            )

    @contextmanager
    def _cancelled_if_hopeless(self) -> Iterator[None]:
        try:
            yield
        except (TooLarge, StorageFull):
            self._is_hopeless = True
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            raise

    def _append(self, view: memoryview) -> None:
        with translated(self._path):
            while view:
                written = os.write(self._descriptor, view[:_WRITE_BYTES])
                if self._hasher is not None:
                    self._hasher.update(view[:written])
                self.offset_bytes += written
                view = view[written:]
        if self.offset_bytes - self._writeback_offset >= _WRITEBACK_BYTES:
            with self._rolled_back_on_failure():
                begin_writeback(
                    self._descriptor,
                    self._writeback_offset,
                    self.offset_bytes - self._writeback_offset,
                )
            self._writeback_offset = self.offset_bytes

    def close(self) -> None:
        """End the request: sync the bytes, record their number, and release the upload.

        Nothing happens if the access has ended already. If `Uploads.once` began the upload, the
        upload is removed.
        """
        if not self._is_open:
            return
        if self._is_hopeless:
            self._discard_as_far_as_possible()
            return
        self._is_open = False
        try:
            if not self._has_row:
                if self._repository is not None:
                    self._unlink()
            else:
                if self.offset_bytes != self._first_offset:
                    self._advance()
                # This is also for a request that was rejected or had no bytes.
                self._save_hash()
        finally:
            self._release()

    def _advance(self) -> None:
        """Record the number of bytes, which are durable then."""
        try:
            self._sync()
            with self._workspace.write(f"upload {self.id}", Durability.SOON) as connection:
                uploads.advance(connection, self.id, self.offset_bytes, self._workspace.now())
        except StorageFull:
            self._remove_file()
            # A row without a file is an unknown upload, and is removed later.
            with suppress(Unavailable):
                self._forget()
            raise

    def discard(self) -> None:
        """Cancel the upload: remove its row, then its file.

        If the row cannot be removed now, the upload stays as it is, so that the client can cancel
        or continue it later.

        Raises:
            StoreBusy: Another process holds the write lock for too long.
            Unavailable: The row or the file cannot be removed.
        """
        self._is_open = False
        try:
            self._remove_published()
            try:
                self._forget()
            except StorageFull:
                # The row of an upload on a full disk has no room before its bytes are gone.
                self._remove_file()
                self._forget()
            except Unavailable:
                self._save_hash()
                raise
            else:
                self._remove_file()
        finally:
            self._release()

    def _forget(self) -> None:
        if self._has_row:
            with self._workspace.write(f"upload {self.id}", Durability.SOON) as connection:
                uploads.forget(connection, self.id)

    def _save_hash(self) -> None:
        """Keep the state of the hash, so that the next request need not read the whole file."""
        if self._hasher is not None and self.offset_bytes:
            self._hash_states.save(self.id, self.offset_bytes, self._hasher)

    def _discard_as_far_as_possible(self) -> None:
        try:
            self.discard()
        except Unavailable as exc:
            # A row without a file is an unknown upload, and is removed later.
            logger.warning("cannot remove the row of an upload: %s", printable(exc.message))

    def _remove_published(self) -> None:
        """Remove the blob whose row could not be written, unless it has a row of another push."""
        if self._published_as is None:
            return
        with self._workspace.write(f"upload {self.id}", Durability.SOON) as connection:
            if not content.has_blob_row(connection, self._published_as):
                blobs = self._workspace.blobs
                blobs.remove(blobs.location(self._published_as))
        self._close_file()

    def _remove_file(self) -> None:
        with translated(self._path):
            if self._published_as is None:
                # The descriptor is still open, and would keep the space of the bytes. The file of a
                # published blob must never be cut off, because the blob may have been there before.
                os.ftruncate(self._descriptor, 0)
            self._path.unlink(missing_ok=True)

    def finish(self, digest: Digest) -> None:
        """Turn the upload into a durable blob that its repository serves.

        Args:
            digest: The digest that the client states.

        Raises:
            DigestMismatch: The digest of the bytes is different; the upload is cancelled.
            StorageFull: There is no room for the row of the blob; `close` cancels the upload.
            Unavailable: The bytes cannot be synced or published.
        """
        actual = self._digest(digest.algorithm)
        if actual != digest:
            self.discard()
            raise DigestMismatch(
                f"digest of the {self.offset_bytes} bytes uploaded", want=digest, got=actual
            )
        try:
            self._publish(digest)
        except StorageFull:
            self._is_hopeless = True
            raise

    def _publish(self, digest: Digest) -> None:
        assert self._repository is not None  # noqa: S101 - a new upload is closed without bytes
        if self.offset_bytes != self._first_offset:
            self._sync()
        with self._workspace.look() as lookup:
            is_known = pushes.is_recorded(lookup, digest)
        if is_known:
            unsound(self._workspace, (digest,))
        with self._workspace.write(f"upload {self.id}") as connection:
            blobs, now = self._workspace.blobs, self._workspace.now()
            key = pushes.add_blob(connection, digest, self.offset_bytes, now)
            if key is None:
                self._put_again(connection, digest, now)
            else:
                self._published_as = digest
                blobs.publish(((self._path, blobs.location(digest)),))
                pushes.hold_new_blob(connection, self._repository, key, now)
            if self._has_row:
                uploads.forget(connection, self.id)
        self._is_open = False
        self._release()
        # If the store has the bytes in another form, the file is still there.
        self._unlink()

    def _unlink(self) -> None:
        """Remove the file that no row names; a failure is not one of the request.

        The next collection removes a file that remains (`Uploads.remove_strays`).
        """
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _put_again(self, connection: Connection, digest: Digest, now: datetime) -> None:
        """Publish a blob whose digest has a row already, unless the store has its bytes."""
        assert self._repository is not None  # noqa: S101 - as in `finish`
        blobs = self._workspace.blobs
        mark_lost(connection, blobs, (digest,))
        if is_kept_otherwise(connection, digest):
            key = content.find(connection, (digest,))[digest].key
        else:
            # If there is a file already, these bytes replace it: they are known to be right.
            self._published_as = digest
            blobs.publish(((self._path, blobs.location(digest)),))
            key = content.put_blob(connection, digest, self.offset_bytes, now)
        repository_key = serving.ensure_repositories(connection, (self._repository,))[
            self._repository
        ]
        serving.hold(connection, repository_key, key, fresh_at=now)
        serving.note_blobs(connection, self._repository, now)

    def _note_activity(self) -> None:
        """Record from time to time that bytes arrive: a large blob may take hours."""
        now = self._workspace.now()
        if self._repository is not None and now - self._noted_at >= _NOTE_INTERVAL:
            self._noted_at = now
            note_activity(self._workspace, self._repository)

    def _release(self) -> None:
        try:
            self._close_file()
        finally:
            self._lock.release()

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            # Everything that counts is synced, so an error of close (NFS, quotas) loses nothing.
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _sync(self) -> None:
        with self._rolled_back_on_failure():
            os.fsync(self._descriptor)

    @contextmanager
    def _rolled_back_on_failure(self) -> Iterator[None]:
        """Drop all bytes of this request if the disk fails to write them.

        The kernel reports such a failure only once. The next fsync succeeds although the bytes are
        lost.
        """
        try:
            with translated(self._path):
                yield
        except Unavailable:
            self.offset_bytes = self._first_offset
            self._hasher = None
            raise

    def _digest(self, algorithm: str) -> Digest:
        if self._hasher is not None and algorithm == self._hasher.name:
            return Digest(algorithm, self._hasher.hexdigest())
        hasher = hashlib.new(algorithm, usedforsecurity=False)
        position = 0
        with translated(self._path):
            while data := os.pread(self._descriptor, _READ_BYTES, position):
                hasher.update(data)
                position += len(data)
        return Digest(algorithm, hasher.hexdigest())
