"""One request's access to an upload: append bytes, then finish, suspend or discard the upload."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self, final

from store.catalog import content, serving
from store.catalog.collection.grace import ACTIVITY_S
from store.catalog.in_progress import uploads
from store.db.database import Durability
from store.errors import DigestMismatch, OutOfOrder, TooLarge, Unavailable
from store.files.os_errors import translated
from store.files.page_cache import begin_writeback
from store.model.digests import Digest
from store.model.limits import MIB
from store.registry.holding import note_activity
from store.workspace.soundness import is_kept_otherwise, mark_lost, unsound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash
    from pathlib import Path

    from store.model.references import Repository
    from store.registry.hash_states import HashStates
    from store.workspace.locks import Lock
    from store.workspace.workspace import Workspace

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

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``.

        Raises:
            TooLarge: The upload would exceed the size limit for blobs.
            StorageFull: The file system is full.
            Unavailable: The disk failed.
        """
        if self.offset_bytes + len(data) > self._max_bytes:
            raise TooLarge(
                f"the blob is larger than {self._max_bytes} bytes", limit=self._max_bytes
            )
        self._note_activity()
        view = memoryview(data)
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
        self._is_open = False
        try:
            if not self._has_row:
                if self._repository is not None:
                    self._path.unlink(missing_ok=True)
            else:
                if self.offset_bytes != self._first_offset:
                    self._sync()
                    with self._workspace.write(f"upload {self.id}", Durability.SOON) as connection:
                        uploads.advance(
                            connection, self.id, self.offset_bytes, self._workspace.now()
                        )
                if self._hasher is not None and self.offset_bytes:
                    # Save the state even after a request that was rejected or had no bytes.
                    # Otherwise the next request would hash the whole file again.
                    self._hash_states.save(self.id, self.offset_bytes, self._hasher)
        finally:
            self._release()

    def discard(self) -> None:
        """Cancel the upload: remove its row and its file."""
        self._is_open = False
        try:
            if self._has_row:
                with self._workspace.write(f"upload {self.id}", Durability.SOON) as connection:
                    uploads.forget(connection, self.id)
            self._path.unlink(missing_ok=True)
        finally:
            self._release()

    def finish(self, digest: Digest) -> None:
        """Turn the upload into a durable blob that its repository serves.

        Args:
            digest: The digest that the client states.

        Raises:
            DigestMismatch: The digest of the bytes is different; the upload is cancelled.
            Unavailable: The bytes cannot be synced or published.
        """
        actual = self._digest(digest.algorithm)
        if actual != digest:
            self.discard()
            raise DigestMismatch(
                f"digest of the {self.offset_bytes} bytes uploaded", want=digest, got=actual
            )
        assert self._repository is not None  # noqa: S101 - a new upload is closed without bytes
        if self.offset_bytes != self._first_offset:
            self._sync()
        unsound(self._workspace, (digest,))
        with self._workspace.write(f"upload {self.id}") as connection:
            blobs, now = self._workspace.blobs, self._workspace.now()
            known = content.find(connection, (digest,)).get(digest)
            mark_lost(connection, blobs, (digest,))
            if known is not None and is_kept_otherwise(connection, digest):
                key = known.key
            else:
                # If there is a file already, these bytes replace it: they are known to be right.
                blobs.publish(((self._path, blobs.location(digest)),))
                put = content.add_blob if known is None else content.put_blob
                key = put(connection, digest, self.offset_bytes, now)
            repository_key = serving.ensure_repositories(connection, (self._repository,))[
                self._repository
            ]
            serving.hold(connection, repository_key, key, fresh_at=now)
            serving.note_blobs(connection, self._repository, now)
            uploads.forget(connection, self.id)
        self._is_open = False
        self._release()
        # If the store has the bytes in another form, the file is still there.
        self._path.unlink(missing_ok=True)

    def _note_activity(self) -> None:
        """Record from time to time that bytes arrive: a large blob may take hours."""
        now = self._workspace.now()
        if self._repository is not None and now - self._noted_at >= _NOTE_INTERVAL:
            self._noted_at = now
            note_activity(self._workspace, self._repository)

    def _release(self) -> None:
        os.close(self._descriptor)
        self._lock.release()

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
