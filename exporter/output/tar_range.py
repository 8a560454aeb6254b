"""A reader for any range of a planned archive, so that an interrupted download can resume.

The plan alone determines the bytes of the archive. So the archive has an identity before any of its
bytes are read.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from exporter.output.tar_stream import headers
from exporter.planning.plan import END, padded
from exporter.selection.document_reader import keep_going
from store.content.blocks import open_blocks
from store.content.whole_check import WholeCheck
from store.files.os_errors import translated
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.planning.plan import Entry, Plan
    from exporter.selection.document_reader import Check
    from store.blobs.protocol import BlobStore
    from store.content.blocks import Blocks
    from store.formats.compression.memory import MemoryBudget
    from store.model.contents import Sources
    from store.model.digests import Digest

_GATHERED_BYTES: Final = MIB
"""The most bytes of consecutive headers, documents and padding that one read returns."""


def identity(plan: Plan, check: Check = keep_going) -> str:
    """Return a hash that is equal for two plans exactly if their archives have the same bytes.

    Args:
        plan: The archive's entries and sizes.
        check: Called before each entry; an exception that it raises ends the call.

    Returns:
        64 hexadecimal digits.
    """
    hashed = hashlib.sha256(usedforsecurity=False)
    for entry in plan.entries:
        check()
        for block in headers(entry, plan.owner):
            hashed.update(block)
        if isinstance(entry.source, bytes):
            hashed.update(hashlib.sha256(entry.source, usedforsecurity=False).digest())
        elif isinstance(entry.source, Path):
            with translated(entry.source), entry.source.open("rb") as file:
                hashed.update(hashlib.file_digest(file, "sha256").digest())
        elif entry.source is not None:
            hashed.update(str(entry.source.digest).encode())
    return hashed.hexdigest()


@final
class ArchiveBlocks:
    """A reader of an archive's bytes at any position.

    The reader follows the protocol `store.content.blocks.Blocks`. The digest of stored content is
    checked if the content is read from its first byte to its last.
    """

    def __init__(
        self,
        plan: Plan,
        blobs: BlobStore,
        proven: Mapping[Digest, Sources] | None = None,
        *,
        memory: MemoryBudget | None = None,
        owner: str = "",
    ) -> None:
        """Prepare to read. The first read opens the first file.

        Args:
            plan: The archive's entries and sizes.
            blobs: The store's blobs.
            proven: The forms to read some contents from, by digest, in place of the forms in the
                plan.
            memory: The budget for the memory of decoders; None for a budget of this reader alone.
            owner: The client that reads. Clients share the memory fairly.
        """
        self._memory = memory
        self._owner = owner
        self._proven = proven or {}
        self._plan = plan
        self._blobs = blobs
        self._starts = list(accumulate((entry.archived_bytes for entry in plan.entries), initial=0))
        self.size_bytes = self._starts[-1] + END
        self._open: tuple[int, Blocks] | None = None
        self._check: WholeCheck | None = None

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        """Return bytes of the archive from ``position`` on.

        Args:
            position: The offset of the first byte.
            buffer: Memory that may be used for the result.

        Returns:
            At least one byte. Empty at the end of the archive, and if the next call has to continue
            to decode the bytes before the position.

        Raises:
            DamagedContent: Stored content was read in full, and its bytes do not have its digest.
            ContentMissing: A file of the store is missing.
            DecodersBusy: Other transfers use the memory for decoders.
        """
        gathered = bytearray()
        while len(gathered) < _GATHERED_BYTES and position + len(gathered) < self.size_bytes:
            at = position + len(gathered)
            index = bisect_right(self._starts, at) - 1
            if index == len(self._plan.entries):
                gathered += bytes(self.size_bytes - at)
                break
            entry = self._plan.entries[index]
            data_at = self._starts[index + 1] - padded(entry.size_bytes)
            if at < data_at:
                gathered += b"".join(headers(entry, self._plan.owner))[at - self._starts[index] :]
            elif at >= data_at + entry.size_bytes:
                gathered += bytes(self._starts[index + 1] - at)
            elif isinstance(entry.source, bytes):
                gathered += entry.source[at - data_at :]
            elif gathered:
                break
            else:
                return self._content(index, entry, at - data_at, buffer)
        return memoryview(gathered)

    def _content(self, index: int, entry: Entry, offset: int, buffer: bytearray) -> memoryview:
        assert not isinstance(entry.source, bytes | None)  # noqa: S101 - `read_into` handles these
        if isinstance(entry.source, Path):
            with translated(entry.source), entry.source.open("rb", buffering=0) as file:
                file.seek(offset)
                count = file.readinto(buffer) or 0
            return memoryview(buffer)[:count]
        if self._open is None or self._open[0] != index:
            self.close()
            source = self._proven.get(entry.source.digest, entry.source)
            self._open = (index, open_blocks(self._blobs, source, self._memory, self._owner))
            self._check = WholeCheck(source)
        view = self._open[1].read_into(offset, buffer)
        if self._check is not None:
            self._check.see(offset, view)
        return view

    def close(self) -> None:
        """Close the file that is open, if any."""
        if self._open is not None:
            self._open[1].close()
            self._open = None
