"""One state of a store, held while it is copied: the catalogue, and the blobs that it names.

The catalogue is copied first. Then the blobs that it names are leased, so that no collection
removes them before they are copied. A blob that was collected between the two makes the copy of the
catalogue useless; it is made again. The leases stay, so the next attempt has little left to lease.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.catalog import content
from store.catalog.batches import batches
from store.catalog.checking import raw_rows
from store.catalog.in_progress import leases
from store.catalog.lists import stored_files
from store.errors import StorageFull, StoreBusy, Unavailable, printable
from store.workspace import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from store.model.digests import Digest
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_ATTEMPTS: Final = 8
_LEASED_AT_ONCE: Final = 5_000
"""How many blobs one write unit leases: it takes about 40 ms, and other writers wait."""


@final
@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copied catalogue and the blobs that it names.

    Attributes:
        created: When the catalogue was copied.
        images: The number of images in it.
        blobs: The digest and the size in bytes of every blob, sorted by digest. The size of damaged
            content may be unknown.
    """

    created: datetime
    images: int
    blobs: list[tuple[Digest, int | None]] = field(repr=False)


@contextmanager
def held(
    workspace: Workspace, catalogue: Path, is_needed: Callable[[Digest, int | None], bool]
) -> Iterator[Snapshot]:
    """Copy the catalogue to a file, and keep the blobs that it names until the block ends.

    Nothing is leased in a store that cannot be written, or that is full. `require_kept` tells the
    two apart that a file may be missing for.

    Args:
        workspace: The opened store.
        catalogue: The new file for the copy of the catalogue.
        is_needed: Returns whether the backup needs the bytes of a blob. Other blobs are not leased.

    Yields:
        The state that the copy has.

    Raises:
        StoreBusy: Collections removed content faster than it could be leased.
        StorageFull: There is no space for the copy.
    """
    with ExitStack() as stack:
        lease = stack.enter_context(_leasing(workspace))
        for _ in range(_ATTEMPTS):
            catalogue.unlink(missing_ok=True)
            with workspace.read() as unit:
                # The first statement fixes the snapshot that is copied.
                blobs = list(stored_files.stored_files(unit))
                images = stored_files.number_of_images(unit)
                created = workspace.now()
                workspace.write_catalogue_copy(unit, catalogue)
            if lease([digest for digest, size in blobs if is_needed(digest, size)]):
                yield Snapshot(created, images, blobs)
                return
        raise StoreBusy(
            "cannot copy the store: its content is removed faster than it can be held",
            hint="try again when no garbage collection is running",
        )


@contextmanager
def _leasing(workspace: Workspace) -> Iterator[Callable[[Sequence[Digest]], bool]]:
    """Yield a function that leases content, and returns whether all of it is still there."""
    with ExitStack() as stack:
        if workspace.read_only:
            yield lambda _: True
            return
        try:
            operation = stack.enter_context(workspace.operation("backup"))
        except StorageFull as exc:
            # A full store is worth a backup more than any other.
            logger.warning("cannot hold the content for the backup: %s", printable(exc.message))
            yield lambda _: True
            return
        leased: set[Digest] = set()

        def lease(digests: Sequence[Digest]) -> bool:
            is_whole = True
            new = [digest for digest in digests if digest not in leased]
            for some in batches(new, _LEASED_AT_ONCE):
                with workspace.write_operation(operation.id) as unit:
                    found = content.find(unit, some)
                    there = {
                        digest
                        for part in batches(list(found))
                        for digest in content.with_blob_rows(unit, part)
                    }
                    leases.add_leases(
                        unit, operation.id, [found[digest].key for digest in sorted(there)]
                    )
                leased.update(there)
                is_whole = is_whole and len(there) == len(some)
            return is_whole

        yield lease
        with workspace.write_operation(operation.id) as unit:
            operations.end(unit, operation)


def require_kept(workspace: Workspace, digest: Digest) -> None:
    """Check that the store still names a blob whose file is missing. Then the file is lost.

    Args:
        workspace: The opened store.
        digest: The digest of the blob.

    Raises:
        Unavailable: A collection has removed the blob, because it could not be leased.
    """
    with workspace.read() as unit:
        if content.has_blob_row(unit, digest):
            return
    raise Unavailable(
        "cannot copy the store: a garbage collection removed content during the backup",
        hint="try again when no garbage collection is running",
    )


def affected(workspace: Workspace, digest: Digest) -> tuple[str, ...]:
    """Return the images that use a digest (`store.catalog.checking.raw_rows.affected`)."""
    with workspace.read() as unit:
        return raw_rows.affected(unit, str(digest))
