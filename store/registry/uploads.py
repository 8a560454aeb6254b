"""Uploads to a registry.

Bytes that come in pieces over several requests, survive a restart, and become a blob at the end.

An upload is a file in ``uploads/`` and a row. The file is locked only while a request writes to it;
the row says how many of its bytes count, and these are durable: what a killed server wrote beyond
that is cut off by the next request. The row itself need not be: where the machine goes down it may
say what it said before, or not be there, and the client goes on from there, or begins anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self, final

from store.catalog import content, serving
from store.catalog.in_progress import uploads as rows
from store.db.database import Durability
from store.errors import (
    DigestMismatch,
    OutOfOrder,
    TooLarge,
    TooManyUploads,
    Unavailable,
    UploadInUse,
    UploadNotFound,
    printable,
)
from store.files.os_errors import translated
from store.files.page_cache import begin_writeback
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import MIB
from store.registry import damage
from store.workspace.file_locks import UPLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from hashlib import _Hash
    from pathlib import Path

    from store.model.references import Repository
    from store.workspace.locks import Lock
    from store.workspace.workspace import Workspace

IDLE_S: Final = 24 * 3600
"""An upload that nobody has touched for so long is given up."""

_PIECE_BYTES: Final = 4 * MIB
_WRITE_BYTES: Final = MIB
"""Hashed and written in one call each: other threads run meanwhile, and have to be waited for after each of them."""
_WRITEBACK_BYTES: Final = 4 * MIB
_IDENTIFIER: Final = re.compile(r"[0-9a-f]{32}")
_HASHERS: Final = 1024
_STRAY_S: Final = 3600


@final
class Uploads:
    """The uploads of one store. Threads may share it."""

    def __init__(self, workspace: Workspace, *, max_bytes: int, most: int | None = None) -> None:
        self._workspace = workspace
        self._folder = workspace.root / UPLOADS
        self._max_bytes = max_bytes
        self._most = most
        # How far each running upload has been hashed by this process. Whoever has no entry hashes
        # the file once more.
        self._hashers: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()
        self._guard = threading.Lock()

    def begin(self, repository: Repository) -> str:
        """A new upload; its name. Raises TooManyUploads."""
        if self._most is not None and self.count() >= self._most:
            raise TooManyUploads(
                f"{self._most} uploads are in progress",
                hint="finish or cancel some; idle ones go after a day",
            )
        upload_id = os.urandom(16).hex()
        self._make(upload_id).close()
        with self._workspace.write(f"upload {upload_id}", Durability.SOON) as connection:
            rows.add(connection, upload_id, str(repository), self._workspace.now())
        return upload_id

    def once(self, repository: Repository) -> Upload:
        """An upload that lives no longer than one request."""
        return self._make(os.urandom(16).hex(), repository)

    def count(self) -> int:
        """How many are in progress."""
        with self._workspace.read() as connection:
            return rows.count(connection)

    def offset(self, repository: Repository, upload_id: str) -> int:
        """How many bytes of it are here. Raises UploadNotFound."""
        path = self._path(upload_id)
        with self._workspace.look() as connection:
            noted = self._row(rows.get(connection, upload_id), repository, upload_id).offset_bytes
        try:
            # A crash may have left the file shorter than its row: go on from what is there. The
            # digest at the end is the judge.
            return min(noted, path.stat().st_size)
        except FileNotFoundError:
            raise self._unknown(upload_id) from None

    def resume(self, repository: Repository, upload_id: str) -> Upload:
        """Go on with it where it stopped; nobody else can until it is closed.

        Raises UploadNotFound, UploadInUse.
        """
        path = self._path(upload_id)
        lock = self._lock(upload_id)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            lock.release()
            raise self._unknown(upload_id) from None
        try:
            offset = self.offset(repository, upload_id)
            if os.fstat(descriptor).st_size > offset:
                os.ftruncate(descriptor, offset)
                # Whoever brings nothing more finishes what is durable already, and so has its end
                # to be.
                with translated(path):
                    os.fsync(descriptor)
            os.lseek(descriptor, offset, os.SEEK_SET)
            return Upload(
                self,
                self._workspace,
                upload_id,
                repository,
                path=path,
                lock=lock,
                descriptor=descriptor,
                offset_bytes=offset,
                hasher=self._hasher(upload_id, offset),
                has_row=True,
            )
        except BaseException:
            os.close(descriptor)
            lock.release()
            raise

    def cancel(self, repository: Repository, upload_id: str) -> None:
        """Give it up. Raises UploadNotFound, UploadInUse."""
        self.resume(repository, upload_id).discard()

    def expire(self) -> int:
        """Give up what nobody has touched for `IDLE_S`, and files that belong to no upload.

        How many went.
        """
        before = self._workspace.now() - timedelta(seconds=IDLE_S)
        with self._workspace.read() as connection:
            old = rows.idle(connection, before)
        gone = sum(
            self._sweep(self._path(upload_id), upload_id, untouched_since=before)
            for upload_id in old
        )
        with suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                if _IDENTIFIER.fullmatch(path.name) and self._is_stray(path):
                    gone += self._sweep(path, path.name)
        return gone

    # --- for `Upload` -----------------------------------------------------------------------------

    @property
    def max_bytes(self) -> int:
        """The largest blob that is taken."""
        return self._max_bytes

    def remember(self, upload_id: str, offset: int, hasher: _Hash) -> None:
        """Keep the state of a hash for the upload's next request."""
        with self._guard:
            self._hashers[upload_id] = (offset, hasher)
            while len(self._hashers) > _HASHERS:
                self._hashers.popitem(last=False)

    # --- inside -----------------------------------------------------------------------------------

    def _hasher(self, upload_id: str, offset: int) -> _Hash | None:
        if offset == 0:
            return hashlib.sha256(usedforsecurity=False)
        with self._guard:
            known = self._hashers.pop(upload_id, None)
        return known[1] if known is not None and known[0] == offset else None

    def _make(self, upload_id: str, repository: Repository | None = None) -> Upload:
        path = self._folder / upload_id
        with translated(path):
            try:
                self._folder.mkdir(exist_ok=True)
            except FileNotFoundError as exc:
                raise Unavailable(
                    f"{self._folder.parent} has gone",
                    hint="is the store's file system still mounted?",
                ) from exc
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        return Upload(
            self,
            self._workspace,
            upload_id,
            repository,
            path=path,
            lock=self._lock(upload_id),
            descriptor=descriptor,
            offset_bytes=0,
            hasher=self._hasher(upload_id, 0),
            has_row=False,
        )

    def _path(self, upload_id: str) -> Path:
        if not _IDENTIFIER.fullmatch(upload_id):
            raise self._unknown(upload_id)
        return self._folder / upload_id

    def _lock(self, upload_id: str) -> Lock:
        lock = self._workspace.locks.lock_upload(upload_id)
        if lock is None:
            raise UploadInUse(
                f"another request is writing to the upload {upload_id}",
                hint="wait until it has ended, then ask how far it came",
            )
        return lock

    def _row(
        self, row: rows.UploadRow | None, repository: Repository, upload_id: str
    ) -> rows.UploadRow:
        if row is None or row.repository != str(repository):
            raise self._unknown(upload_id)
        return row

    @staticmethod
    def _unknown(upload_id: str) -> UploadNotFound:
        return UploadNotFound(
            f"no upload {printable(upload_id[:64])!r} is in progress", hint="begin a new one"
        )

    def _is_stray(self, path: Path) -> bool:
        try:
            age = self._workspace.now().timestamp() - path.stat().st_mtime
        except FileNotFoundError:
            return False
        if age < _STRAY_S:
            return False
        with self._workspace.read() as connection:
            return rows.get(connection, path.name) is None

    def _sweep(
        self, path: Path, upload_id: str, *, untouched_since: datetime | None = None
    ) -> bool:
        lock = self._workspace.locks.lock_upload(upload_id)
        if lock is None:
            return False
        try:
            with self._workspace.write("uploads") as connection:
                had_row = rows.forget(connection, upload_id, untouched_since=untouched_since)
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


@final
class Upload:
    """One request's hold on an upload.

    It ends with exactly one of `close`, `finish` and `discard`.
    """

    def __init__(  # noqa: PLR0913 - only `Uploads` makes one
        self,
        uploads: Uploads,
        workspace: Workspace,
        upload_id: str,
        repository: Repository | None,
        *,
        path: Path,
        lock: Lock,
        descriptor: int,
        offset_bytes: int,
        hasher: _Hash | None,
        has_row: bool,
    ) -> None:
        self.id = upload_id
        self.offset_bytes = offset_bytes
        self._uploads = uploads
        self._workspace = workspace
        self._repository = repository
        self._path = path
        self._lock = lock
        self._descriptor = descriptor
        self._hasher = hasher
        self._has_row = has_row
        self._began_at = offset_bytes
        self._begun_to = offset_bytes
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def expect(self, first_byte: int) -> None:
        """What comes next begins at ``first_byte``. Raises OutOfOrder."""
        if first_byte != self.offset_bytes:
            raise OutOfOrder(
                f"the upload has {self.offset_bytes} bytes, the piece begins at {first_byte}",
                offset_bytes=self.offset_bytes,
                hint="go on where it stopped",
            )

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises TooLarge, StorageFull."""
        if self.offset_bytes + len(data) > self._uploads.max_bytes:
            raise TooLarge(
                f"the blob is larger than {self._uploads.max_bytes} bytes",
                limit=self._uploads.max_bytes,
            )
        view = memoryview(data)
        with translated(self._path):
            while view:
                written = os.write(self._descriptor, view[:_WRITE_BYTES])
                if self._hasher is not None:
                    self._hasher.update(view[:written])
                self.offset_bytes += written
                view = view[written:]
        if self.offset_bytes - self._begun_to >= _WRITEBACK_BYTES:
            with self._refusable():
                begin_writeback(
                    self._descriptor, self._begun_to, self.offset_bytes - self._begun_to
                )
            self._begun_to = self.offset_bytes

    def close(self) -> None:
        """The request is over: write down how far the upload is, and let others go on with it.

        Harmless when it has ended.

        What the row counts is durable.
        """
        if not self._open:
            return
        self._open = False
        try:
            if not self._has_row:
                if self._repository is not None:
                    self._path.unlink(missing_ok=True)
            else:
                if self.offset_bytes != self._began_at:
                    self._sync()
                    with self._workspace.write(f"upload {self.id}", Durability.SOON) as connection:
                        rows.advance(connection, self.id, self.offset_bytes, self._workspace.now())
                if self._hasher is not None and self.offset_bytes:
                    # A request that brought nothing, or was refused, must not have the whole of it
                    # hashed again.
                    self._uploads.remember(self.id, self.offset_bytes, self._hasher)
        finally:
            self._let_go()

    def discard(self) -> None:
        """Give the upload up."""
        self._open = False
        try:
            if self._has_row:
                with self._workspace.write(f"upload {self.id}", Durability.SOON) as connection:
                    rows.forget(connection, self.id)
            self._path.unlink(missing_ok=True)
        finally:
            self._let_go()

    def finish(self, digest: Digest) -> None:
        """Make it a blob that its repository serves.

        When this returns, a crash loses nothing of it.

        Raises DigestMismatch; the upload is given up then.
        """
        got = self._digest(digest.algorithm)
        if got != digest:
            self.discard()
            raise DigestMismatch(
                f"the digest of the {self.offset_bytes} bytes uploaded", want=digest, got=got
            )
        assert self._repository is not None  # noqa: S101 - only `Uploads.begin` makes one without, and closes it at once
        if self.offset_bytes != self._began_at:
            self._sync()
        with self._workspace.write(f"upload {self.id}") as connection:
            known = content.find(connection, (digest,)).get(digest)
            # Once it is dropped, ours is of no use to a row whose file has gone.
            if known is not None and damage.mark_missing(
                connection, self._workspace.blobs, (digest,)
            ):
                known = content.find(connection, (digest,)).get(digest)
            now = self._workspace.now()
            if known is not None and known.state is ContentState.PRESENT:
                key = known.key
            else:
                blobs = self._workspace.blobs
                blobs.publish(((self._path, blobs.location(digest)),))
                put = content.add_blob if known is None else content.put_blob
                key = put(connection, digest, self.offset_bytes, now)
            repository_key = serving.ensure_repositories(connection, (self._repository,))[
                self._repository
            ]
            serving.hold(connection, repository_key, key, fresh_at=now)
            rows.forget(connection, self.id)
        self._open = False
        self._let_go()
        # Somebody else's copy was here already: ours goes.
        self._path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        os.close(self._descriptor)
        self._lock.release()

    def _sync(self) -> None:
        with self._refusable():
            os.fsync(self._descriptor)

    @contextmanager
    def _refusable(self) -> Iterator[None]:
        """When the disk refuses what was written, nothing of this request counts: it says so once, and calls what it has lost durable the next time."""
        try:
            with translated(self._path):
                yield
        except Unavailable:
            self.offset_bytes = self._began_at
            self._hasher = None
            raise

    def _digest(self, algorithm: str) -> Digest:
        if self._hasher is not None and algorithm == self._hasher.name:
            return Digest(algorithm, self._hasher.hexdigest())
        hasher = hashlib.new(algorithm, usedforsecurity=False)
        position = 0
        with translated(self._path):
            while piece := os.pread(self._descriptor, _PIECE_BYTES, position):
                hasher.update(piece)
                position += len(piece)
        return Digest(algorithm, hasher.hexdigest())
