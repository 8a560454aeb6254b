"""Check the digest of bytes that are read in blocks, before the last block is returned."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, final

from store.content.stored import damaged, false_encoding

if TYPE_CHECKING:
    from store.content.blocks import Blocks
    from store.errors import DamagedContent
    from store.model.contents import Sources


@final
class WholeCheck:
    """The check of a digest while its bytes are read from first to last. Parts may be read twice.

    If reading starts in the middle or skips bytes, the digest is not checked.

    Args:
        sources: The stored forms of the digest.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._hashed = hashlib.new(sources.digest.algorithm, usedforsecurity=False)
        self._seen = 0

    def see(self, offset: int, view: memoryview) -> None:
        """Hash the bytes at ``offset``.

        Args:
            offset: Offset of the first byte.
            view: The bytes to hash.

        Raises:
            DamagedContent: All bytes have been read, and their digest is wrong.
        """
        if not offset <= self._seen < offset + len(view):
            return
        self._hashed.update(view[self._seen - offset :])
        self._seen = offset + len(view)
        if (
            self._seen == self._sources.size_bytes
            and self._hashed.hexdigest() != self._sources.digest.hex
        ):
            raise _wrong(self._sources)


def _wrong(sources: Sources) -> DamagedContent:
    if sources.inline is not None or sources.in_file:
        return damaged(sources.digest, "its bytes have a different digest")
    stored = sources.encodings[0]
    if stored.is_ours:
        # An encoding that this store made is right, unless the disk has changed it.
        return damaged(stored.digest, f"it does not decode to {sources.digest}")
    return false_encoding(stored.digest, sources.digest)


@final
class CheckedBlocks:
    """Blocks that return the last block only if all bytes have the right digest.

    Args:
        blocks: The bytes; this object closes them.
        sources: The stored forms of the digest.
    """

    def __init__(self, blocks: Blocks, sources: Sources) -> None:
        self._blocks = blocks
        self._check = WholeCheck(sources)
        self.size_bytes = blocks.size_bytes

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        """Read bytes at a position, like `Blocks.read_into`.

        Args:
            position: Offset of the first byte.
            buffer: Memory that may receive the bytes.

        Raises:
            DamagedContent: Stored bytes are wrong or end early, or their digest is wrong.
            ContentMissing: A blob is missing.
        """
        view = self._blocks.read_into(position, buffer)
        self._check.see(position, view)
        return view

    def close(self) -> None:
        """Close every blob."""
        self._blocks.close()
