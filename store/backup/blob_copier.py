"""The copying of blobs into a folder of backups: several at once, durable before they have a name.

A small file takes much longer to sync than to write. So a file is written, and the kernel begins to
write it to the disk; some hundred files later, it is synced. Then it is on the disk already, or
shares a commit of the file system's journal with others.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.backup import folders
from store.backup.blob_source import BlobSource, FaultyBlob
from store.backup.copying import Crew, FileWriter
from store.backup.repository import DAMAGED
from store.backup.space import require_space
from store.blobs.directory import BLOBS
from store.errors import Conflict, Unavailable
from store.files import kernel_copy
from store.files.os_errors import Whose, translate, translated
from store.files.page_cache import begin_writeback
from store.model.limits import MIB

if TYPE_CHECKING:
    from pathlib import Path

    from store.backup.report import Fault
    from store.backup.repository import Repository
    from store.blobs.protocol import OpenBlob
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace

_NO_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})

_UNSYNCED: Final = 256
"""How many files are open and not synced: a process may often open 1,024 files."""

_UNSYNCED_BYTES: Final = 64 * MIB


@final
@dataclass(frozen=True, slots=True)
class _Written:
    """A complete file that is not synced yet, and has no name yet.

    Attributes:
        descriptor: The file, open for writing.
        partial: The path of the file.
        target: The path that the file gets.
        size_bytes: Its size.
    """

    descriptor: int
    partial: Path
    target: Path
    size_bytes: int


@final
class BlobCopier:
    """Copies blobs of a store into a folder of backups, several at once.

    Args:
        workspace: The opened store.
        repository: The folder of backups, whose lock is held.
        work: A folder of the same file system for unfinished files.
        link: Whether to make hard links to the store's files in place of copies.
    """

    def __init__(
        self, workspace: Workspace, repository: Repository, work: Path, *, link: bool
    ) -> None:
        self._workspace = workspace
        self._repository = repository
        self._work = work
        self._link = link
        self._can_clone = True
        self._fans: set[Path] = set()
        self._written: deque[_Written] = deque()
        self._written_bytes = 0
        self._turn = threading.Lock()
        self._crew = Crew()

    def require_space(self, blobs: list[tuple[Digest, int]]) -> None:
        """Check that the new blobs fit, unless they share blocks with the store."""
        if self._link or not blobs:
            return
        self._can_clone = self._clones_work(blobs[0][0])
        size = 0 if self._can_clone else sum(size for _, size in blobs)
        require_space(self._repository.path, size, len(blobs), "the backup")

    def copy(self, blobs: list[tuple[Digest, int]], progress: Progress) -> list[Fault]:
        """Copy blobs; return the faults of those that could not be copied."""
        progress.total(sum(size for _, size in blobs))

        def advance(digest: Digest, size_bytes: int) -> None:
            self._crew.check()
            progress.advance(str(digest), size_bytes)

        source = BlobSource(self._workspace, advance)

        def one(blob: tuple[Digest, int]) -> Fault | None:
            digest, size_bytes = blob
            key = str(digest)
            progress.start(key, digest.short, size_bytes)
            try:
                self._copy(source, digest, size_bytes)
            except FaultyBlob as exc:
                return exc.fault
            finally:
                progress.finish(key)
            return None

        try:
            faults = [fault for fault in self._crew.run(one, blobs) if fault is not None]
            for _ in self._crew.run(self._settle, range(len(self._written))):
                pass
        finally:
            for file in self._written:
                os.close(file.descriptor)
        self._sync()
        return sorted(faults, key=lambda fault: fault.subject)

    def _wait_for_disk(self, file: _Written) -> None:
        """Queue a file for its sync; while the queue is too long, sync the oldest file."""
        with self._turn:
            self._written.append(file)
            self._written_bytes += file.size_bytes
        while len(self._written) > _UNSYNCED or self._written_bytes > _UNSYNCED_BYTES:
            self._settle()

    def _settle(self, _number: int = 0) -> None:
        """Sync the file that was written first, and give it its name. For threads."""
        with self._turn:
            if not self._written:
                return
            file = self._written.popleft()
            self._written_bytes -= file.size_bytes
        try:
            with translated(file.target, whose=Whose.OUTPUT):
                os.fsync(file.descriptor)
        finally:
            os.close(file.descriptor)
        self._name(file.partial, file.target)

    def _name(self, partial: Path, target: Path) -> None:
        folders.rename(partial, target)
        with suppress(OSError):
            target.with_name(target.name + DAMAGED).unlink()

    def _copy(self, source: BlobSource, digest: Digest, size_bytes: int) -> None:
        target = self._repository.blob(digest)
        self._make_fan(target.parent)
        partial = self._work / digest.hex
        with source.opened(digest) as blob:
            if self._link:
                source.pass_on(digest, blob, size_bytes, lambda _: None)
                self._make_link(digest, blob, partial)
                self._name(partial, target)
                return
            with folders.unsynced_file(partial) as descriptor:
                self._fill(source, digest, size_bytes, blob, descriptor)
                with translated(target, whose=Whose.OUTPUT):
                    begin_writeback(descriptor, 0, size_bytes)
            self._wait_for_disk(_Written(descriptor, partial, target, size_bytes))

    def _fill(
        self, source: BlobSource, digest: Digest, size_bytes: int, blob: OpenBlob, descriptor: int
    ) -> None:
        file = blob.as_file()
        whose = Whose.OUTPUT
        if self._can_clone and file is not None:
            with translated(self._repository.blob(digest), whose=whose):
                self._can_clone = kernel_copy.clone(file.fileno(), descriptor)
            if self._can_clone:
                source.pass_on(digest, blob, size_bytes, lambda _: None)
                return
        writer = FileWriter(descriptor)

        def write(view: memoryview) -> None:
            with translated(self._repository.blob(digest), whose=whose):
                writer.write(view)

        source.pass_on(digest, blob, size_bytes, write)

    def _make_link(self, digest: Digest, blob: OpenBlob, target: Path) -> None:
        file = blob.as_file()
        try:
            os.link(self._workspace.root / BLOBS / self._workspace.blobs.location(digest), target)
            is_same = file is not None and os.path.samestat(target.stat(), os.fstat(file.fileno()))
        except OSError as exc:
            if exc.errno not in _NO_LINK:
                raise translate(exc, target, whose=Whose.OUTPUT) from exc
            raise Conflict(
                f"cannot make hard links in {self._repository.path}: {exc.strerror}",
                hint="write copies, or choose a folder on the file system of the store",
            ) from exc
        if not is_same:
            raise Unavailable(
                f"cannot link {digest}: its file was replaced during the backup", hint="try again"
            )

    def _clones_work(self, digest: Digest) -> bool:
        blobs = self._workspace.blobs
        probe = self._work / "probe"
        try:
            blob = blobs.open(blobs.location(digest))
            if blob is None:
                return False
            with blob, folders.new_file(probe) as descriptor:
                file = blob.as_file()
                return file is not None and kernel_copy.clone(file.fileno(), descriptor)
        except (OSError, Unavailable):
            return False
        finally:
            probe.unlink(missing_ok=True)

    def _make_fan(self, fan: Path) -> None:
        with self._turn:
            if fan not in self._fans:
                folders.make_folder(fan.parent)
                folders.make_folder(fan)
                self._fans.add(fan)

    def _sync(self) -> None:
        algorithms = {fan.parent for fan in self._fans}
        folders.sync(*self._fans, *algorithms, *{one.parent for one in algorithms})
