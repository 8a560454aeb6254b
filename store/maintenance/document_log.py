"""The rewriting of the document log by a collection: without what was deleted, and complete.

The new log is written from a snapshot while other processes change the store. What they append to
the old log meanwhile is copied behind it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.blobs.folders import QUARANTINED_FOR
from store.catalog.lists import recorded_rows
from store.documents.blocks import BlockWriter, Mark, first_mark_end, last_mark, mark
from store.documents.folder import DOCUMENTS, LOG, NEW, set_aside_at
from store.documents.log import encoded
from store.errors import StoreError, printable
from store.files.creation import NO_FOLLOW, create_file, open_folder
from store.files.os_errors import translated
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from store.db.changes import Position
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

SMALL_BYTES: Final = 2 * MIB
"""A log of at most this size is rewritten whenever something was appended to it."""

_PAGE_ROWS: Final = 900
_PAGE_BYTES: Final = 4 * MIB
_TAIL_BYTES: Final = 64 * 1024
"""What is copied while other writers wait."""


@final
@dataclass(frozen=True, slots=True)
class LogState:
    """What decides whether a log is rewritten.

    Attributes:
        size_bytes: The size of the log.
        first_bytes: The size up to its first mark: what the last rewriting wrote.
        position: What the log is complete up to; None without a log.
    """

    size_bytes: int
    first_bytes: int
    position: Position | None

    def is_due(self, catalogue: Position) -> bool:
        """Return whether the log has to be rewritten.

        Args:
            catalogue: The position of the catalogue.
        """
        if self.position is None:
            return catalogue.content > 0
        if not self.position.covers(catalogue):
            return True
        if self.size_bytes <= SMALL_BYTES:
            return self.size_bytes > self.first_bytes
        return self.size_bytes > SMALL_BYTES + 2 * self.first_bytes


def refresh(workspace: Workspace) -> bool:
    """Rewrite the document log if it is incomplete, or holds much that was deleted.

    An error is reported as a warning: a collection does not depend on the log.

    Args:
        workspace: The opened store, which is not read-only.

    Returns:
        Whether the log was rewritten.
    """
    try:
        with translated(workspace.root / DOCUMENTS):
            _remove_expired(workspace)
            return _refresh(workspace)
    except (StoreError, OSError) as exc:
        reason = exc.message if isinstance(exc, StoreError) else str(exc)
        logger.warning("cannot rewrite the copy of the documents: %s", printable(reason))
        return False


def _refresh(workspace: Workspace) -> bool:
    with open_folder(workspace.root, DOCUMENTS, create=True) as folder:
        # A writer may be appending: its unit is in the catalogue, and not yet in the log.
        with workspace.write("gc") as writing:
            state, position = _state(folder), recorded_rows.position(writing)
        if not state.is_due(position):
            return False
        with _new_log(workspace, folder) as new:
            return new is not None and _rewrite(workspace, folder, new)


@contextmanager
def _new_log(workspace: Workspace, folder: int) -> Iterator[int | None]:
    """Open the file of the new log, and lock it; yield None if another process writes it."""
    flags = os.O_RDWR | os.O_NONBLOCK | NO_FOLLOW
    try:
        descriptor = os.open(NEW, flags, dir_fd=folder)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.close(create_file(workspace.root / DOCUMENTS / NEW))
        descriptor = os.open(NEW, flags, dir_fd=folder)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        os.ftruncate(descriptor, 0)
        try:
            yield descriptor
        except BaseException:
            with suppress(OSError):
                os.unlink(NEW, dir_fd=folder)
            raise
    finally:
        os.close(descriptor)


def _rewrite(workspace: Workspace, folder: int, new: int) -> bool:
    with workspace.read() as snapshot:
        with workspace.write("gc"):
            # No other writer is active: the snapshot and the size of the log belong together.
            position = recorded_rows.position(snapshot)
            old = _open(folder)
        try:
            place = 0 if old is None else os.fstat(old).st_size
            was_complete = old is not None and _complete(old, place, position)
            _write_snapshot(snapshot, new, position, workspace)
            os.fsync(new)
            if old is not None:
                while (size := os.fstat(old).st_size) - place > _TAIL_BYTES:
                    _copy(old, new, place, size)
                    place = size
            with workspace.write("gc"):
                if not _is_same(old, folder):
                    os.unlink(NEW, dir_fd=folder)
                    return False
                if old is not None:
                    _copy(old, new, place, os.fstat(old).st_size)
                if not was_complete:
                    # What was appended meanwhile ends with marks of the old log's position.
                    _write(new, mark(Mark(position, _microseconds(workspace))))
                os.rename(NEW, LOG, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            if old is not None:
                os.close(old)
    return True


def _write_snapshot(
    snapshot: Connection, new: int, position: Position, workspace: Workspace
) -> None:
    def rows() -> Iterator[recorded_rows.Row]:
        after: int | None = 0
        while after is not None:
            page, after = recorded_rows.of_content(
                snapshot, after, max_rows=_PAGE_ROWS, max_bytes=_PAGE_BYTES
            )
            yield from page

    for block in encoded(BlockWriter(), rows()):
        _write(new, block)
    _write(new, mark(Mark(position, _microseconds(workspace))))


def _state(folder: int) -> LogState:
    descriptor = _open(folder)
    if descriptor is None:
        return LogState(0, 0, None)
    try:
        size = os.fstat(descriptor).st_size
        found, _ = last_mark(descriptor, size)
        first = first_mark_end(descriptor, size)
        return LogState(size, first, None if found is None else found.position)
    finally:
        os.close(descriptor)


def _open(folder: int) -> int | None:
    try:
        return os.open(LOG, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return None


def _complete(descriptor: int, size: int, position: Position) -> bool:
    found, _ = last_mark(descriptor, size)
    return found is not None and found.position.covers(position)


def _is_same(old: int | None, folder: int) -> bool:
    """Return whether the log is still the file that was opened."""
    try:
        now = os.stat(LOG, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return old is None
    return old is not None and os.path.samestat(os.fstat(old), now)


def _copy(old: int, new: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(old, min(MIB, end - start), start)
        if not data:
            return
        _write(new, data)
        start += len(data)


def _write(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _microseconds(workspace: Workspace) -> int:
    return int(workspace.now().timestamp() * 1_000_000)


def _remove_expired(workspace: Workspace) -> None:
    """Remove logs of replaced catalogues when they are as old as files in quarantine may get."""
    try:
        with open_folder(workspace.root, DOCUMENTS) as folder:
            for name in os.listdir(folder):  # noqa: PTH208 - a descriptor
                taken = set_aside_at(name)
                if taken is not None and taken + QUARANTINED_FOR <= workspace.now():
                    os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
