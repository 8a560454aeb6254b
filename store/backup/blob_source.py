"""The blobs of a store that a backup reads: hashed, and judged when something is wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from store.backup.copying import PIECE_BYTES, Hasher
from store.backup.report import Fault, FaultKind
from store.backup.snapshot import affected, require_kept
from store.content.stored import damaged
from store.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.blobs.protocol import OpenBlob
    from store.model.digests import Digest
    from store.workspace.workspace import Workspace


class FaultyBlob(Exception):
    """A blob of the store that cannot be copied; ``fault`` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


@final
class BlobSource:
    """The blobs of a store. Threads may share this object.

    Args:
        workspace: The opened store.
        on_bytes: Called with the number of bytes that were read.
    """

    def __init__(self, workspace: Workspace, on_bytes: Callable[[Digest, int], None]) -> None:
        self._workspace = workspace
        self._on_bytes = on_bytes

    @contextmanager
    def opened(self, digest: Digest) -> Iterator[OpenBlob]:
        """Open a blob.

        Raises:
            FaultyBlob: The file is missing, or it cannot be opened.
            Unavailable: A collection has removed the blob.
        """
        blobs = self._workspace.blobs
        try:
            blob = blobs.open(blobs.location(digest))
        except Unavailable as exc:
            raise FaultyBlob(self._fault(FaultKind.UNREADABLE, digest, exc.message)) from exc
        if blob is None:
            require_kept(self._workspace, digest)
            raise FaultyBlob(self._fault(FaultKind.MISSING, digest, "its file is missing"))
        with blob:
            yield blob

    def pass_on(
        self,
        digest: Digest,
        blob: OpenBlob,
        size_bytes: int,
        write: Callable[[memoryview], None],
    ) -> None:
        """Read a blob from its start, and write and hash every byte.

        Args:
            digest: The digest of the blob.
            blob: The open blob, at its start.
            size_bytes: The most bytes to read: the size of the blob.
            write: Writes all bytes of a piece.

        Raises:
            FaultyBlob: The bytes cannot be read, or do not have the digest. They were written.
        """
        with Hasher(digest.algorithm, size_bytes) as hasher:
            buffer = memoryview(bytearray(min(PIECE_BYTES, size_bytes)))
            while hasher.size_bytes < size_bytes:
                piece = buffer[: size_bytes - hasher.size_bytes]
                try:
                    taken = blob.pread_into(hasher.size_bytes, piece)
                except Unavailable as exc:
                    fault = self._fault(FaultKind.UNREADABLE, digest, exc.message)
                    raise FaultyBlob(fault) from exc
                if not taken:
                    break
                hasher.passed(piece[:taken], write)
                self._on_bytes(digest, taken)
            got, size = hasher.hexdigest(), hasher.size_bytes
        if got != digest.hex or blob.size != size_bytes:
            reason = f"its file has {blob.size} of {size_bytes} bytes, or different bytes"
            if size == size_bytes == blob.size:
                reason = "its bytes have a different digest"
            self._workspace.report_damage(damaged(digest, reason))
            raise FaultyBlob(self._fault(FaultKind.DAMAGED, digest, reason))

    def _fault(self, kind: FaultKind, digest: Digest, reason: str) -> Fault:
        return Fault(kind, str(digest), reason, affected(self._workspace, digest))
