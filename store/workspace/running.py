"""Run an operation, or a block that relies on content: begin it, end it, and clean up after it."""

from __future__ import annotations

import logging
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from store.catalog import content
from store.catalog.in_progress import leases
from store.errors import StorageFull, StoreError, printable
from store.files.space.scratch import scratch_folder
from store.workspace import operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.files.space.reserve import Reserve
    from store.model.digests import Digest
    from store.workspace.locks import Locks
    from store.workspace.operations import Operation


logger = logging.getLogger(__name__)


class OpenedStore(Protocol):
    """The part of `store.workspace.workspace.Workspace` that operations need."""

    root: Path
    locks: Locks
    reserve: Reserve

    @property
    def blobs(self) -> BlobStore:
        """The blob store that holds the files."""

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""

    def now(self) -> datetime:
        """Return the current time, in UTC."""

    def write_operation(self, operation_id: str) -> AbstractContextManager[Connection]:
        """Return a write unit for the rows of an operation."""


@contextmanager
def unless_full(what: str) -> Iterator[None]:
    """Run a write that a reader can do without: on a full disk it is left out, with a warning.

    Args:
        what: What the block does, such as ``record events``.
    """
    try:
        yield
    except StorageFull as full:
        logger.warning("cannot %s: %s", what, printable(full.message))


@contextmanager
def operation(workspace: OpenedStore, kind: str) -> Iterator[Operation]:
    """Run an operation (`store.workspace.workspace.Workspace.operation`).

    Args:
        workspace: The opened store.
        kind: The command or request, such as ``import``. It may be followed by a hyphen and
            hexadecimal digits, with which the ID of the operation then begins.
    """
    kind, _, run = kind.partition("-")
    identifier = f"{kind}-{(run + uuid.uuid4().hex)[:20]}"
    with workspace.write_operation(identifier) as connection:
        operations.sweep(connection, workspace.root, workspace.blobs, workspace.locks)
        running = operations.begin(
            connection,
            workspace.root,
            workspace.locks,
            operation_id=identifier,
            kind=kind,
            now=workspace.now(),
        )
    try:
        yield running
    except BaseException:
        # First the staged files: on a full disk, the catalogue cannot be written before.
        operations.remove_staged(running)
        try:
            _abandon(workspace, running)
        except StoreError:
            # The store cannot be written. The next operation sweeps this operation when its lock is
            # free.
            running.release_lock()
            raise
        operations.release(running)
        raise
    operations.release(running)


def _abandon(workspace: OpenedStore, running: Operation) -> None:
    def once() -> None:
        with workspace.write_operation(running.id) as connection:
            operations.abandon(connection, running, workspace.blobs)

    try:
        once()
    except StorageFull:
        # What the operation has published keeps the disk full.
        with workspace.reserve.lent():
            once()


@contextmanager
def leased(workspace: OpenedStore, kind: str, digests: Iterable[Digest]) -> Iterator[Path]:
    """Keep content from being collected (`store.workspace.workspace.Workspace.leased`).

    Args:
        workspace: The opened store.
        kind: The command or request, such as ``save``.
        digests: The digests to keep.

    Yields:
        A folder for temporary files, removed at the end of the block.
    """
    if workspace.read_only:
        with scratch_folder(0, prefix=f"storectl-{kind}-") as folder:
            yield folder
        return
    with ExitStack() as stack:
        try:
            running = stack.enter_context(_leasing(workspace, kind, digests))
        except StorageFull as full:
            # Without leases, content that is collected meanwhile is missing, and is reported so.
            logger.warning("reading without leases: %s", printable(full.message))
            yield stack.enter_context(scratch_folder(0, prefix=f"storectl-{kind}-"))
            return
        yield running.folder
        # If this fails, the next operation sweeps the row, because the lock is released.
        with (
            unless_full("end the operation"),
            workspace.write_operation(running.id) as connection,
        ):
            operations.end(connection, running)


@contextmanager
def _leasing(workspace: OpenedStore, kind: str, digests: Iterable[Digest]) -> Iterator[Operation]:
    with operation(workspace, kind) as running:
        with workspace.write_operation(running.id) as connection:
            leases.add_leases(
                connection,
                running.id,
                [known.key for known in content.find(connection, digests).values()],
            )
        yield running
