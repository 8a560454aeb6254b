"""Read any part of a digest's bytes in blocks, into the caller's memory, from any stored form.

A digest can be checked only when all bytes are read, as in `store.content.reader`. Here only the
checksums in frames of seekable zstd are checked. A caller that returns a part of the bytes first
makes sure that the encoding is proven (`Sources.is_proven`). A caller that returns all bytes reads
them through `store.content.whole_check`.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, final

from store.content.decoding import Decoding
from store.content.frames import Frames
from store.content.stored import damaged, open_stored, require_readable, undecodable
from store.content.streams import stream
from store.errors import InvalidInput
from store.model.contents import ContentState
from store.model.limits import MIB

if TYPE_CHECKING:
    from store.blobs.protocol import BlobStore, OpenBlob
    from store.formats.compression.memory import MemoryBudget, MemoryLease
    from store.model.contents import Sources, StoredEncoding
    from store.model.digests import Digest

BLOCK_BYTES: Final = 4 * MIB
"""Decoded size in bytes of each frame that this program makes; a good size for a buffer."""

SKIP_BYTES: Final = 4 * MIB
"""The decoded bytes that one read skips at most, so that a thread is soon free again."""

IDLE_S: Final = 1.0
"""If a client pauses for this time, another decoder may take the memory of its decoder."""

TURN_S: Final = 5.0
TURN_FACTOR: Final = 10
"""A client that keeps up has the memory for `TURN_S`, and for `TURN_FACTOR` times as long as it
took to decode the bytes before its range. So little time is spent on decoding them again."""

_READ_BYTES: Final = 128 * 1024


class Blocks(Protocol):
    """Bytes that can be read from any position.

    Only one call at a time may run; the calls may come from different threads.
    """

    @property
    def size_bytes(self) -> int:
        """The number of bytes that can be read."""

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        """Read at least one byte at a position, or come closer to it.

        Args:
            position: Offset of the first byte, less than `size_bytes`.
            buffer: Memory that may receive the bytes; its size is a hint.

        Returns:
            At least one byte, in ``buffer`` or elsewhere, valid until the next call. Empty if many
            bytes before the position have to be decoded first: this call has decoded some of them,
            and the next call continues.

        Raises:
            DamagedContent: Stored bytes are wrong or end early.
            ContentMissing: A blob is missing.
            DecodersBusy: Other decoders use the memory.
        """

    def close(self) -> None:
        """Close every blob."""


def open_blocks(
    blobs: BlobStore,
    sources: Sources,
    memory: MemoryBudget | None = None,
    owner: str = "",
) -> Blocks:
    """Open the bytes of a digest for reading in blocks.

    Args:
        blobs: The blob store that holds them.
        sources: The stored forms of the digest.
        memory: The budget for the memory of a decoder. Between two reads, the memory can be taken
            back for another decoder; then the next read decodes again from the start. None for a
            budget of these blocks alone.
        owner: The client that reads. Clients share the memory fairly.

    Returns:
        The bytes, to be closed by the caller.

    Raises:
        DamagedContent: The digest was found damaged before.
        ContentMissing: No form of the bytes is stored, or the blob is missing.
    """
    if sources.inline is not None and sources.state is not ContentState.DAMAGED:
        return _Inline(sources.inline)
    # Inline bytes are not hashed here, so inline bytes of a damaged digest are rejected too.
    if sources.state is ContentState.DAMAGED:
        raise damaged(sources.digest, "an earlier read or check found the damage")
    require_readable(sources)
    if sources.in_file:
        return _Plain(open_stored(blobs, sources.digest), sources.digest, sources.size_bytes)
    blob = open_stored(blobs, sources.encodings[0].digest)
    return _Decoded(blob, sources, memory or Decoding().transfers, owner)


@final
class _Inline:
    """Bytes that are stored in the catalogue itself."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size_bytes = len(data)

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        del buffer
        return self._data[position:]

    def close(self) -> None:
        """Do nothing: no blob is open."""


@final
class _Plain:
    """A blob that holds the bytes unencoded."""

    def __init__(self, blob: OpenBlob, digest: Digest, size_bytes: int) -> None:
        self._blob = blob
        self._digest = digest
        self.size_bytes = size_bytes

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        view = memoryview(buffer)[: self.size_bytes - position]
        count = self._blob.pread_into(position, view)
        if not count:
            raise damaged(self._digest, f"its file ends after {position} bytes")
        return view[:count]

    def close(self) -> None:
        self._blob.close()


@final
class _Decoded:
    """The bytes that an encoding decodes to. Its decoder gives its memory back while it is idle."""

    def __init__(self, blob: OpenBlob, sources: Sources, memory: MemoryBudget, owner: str) -> None:
        self.size_bytes = sources.size_bytes
        self._blob = blob
        self._sources = sources
        self._memory = memory.lease(owner, self._give_back)
        self._busy = threading.Lock()
        self._decoder: _Frames | _Stream | None = None
        self._idle_since_s = 0.0

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        with self._busy:
            try:
                if self._decoder is None or not self._decoder.can_read(position):
                    # Free the old decoder first, because the new one may need its memory.
                    self._decoder = None
                    self._decoder = self._opened()
                return self._decoder.read_into(position, buffer)
            except BaseException:
                self._free()
                raise
            finally:
                self._idle_since_s = time.monotonic()

    def close(self) -> None:
        with self._busy:
            self._free()
        self._blob.close()

    def _opened(self) -> _Frames | _Stream:
        stored = self._sources.encodings[0]
        frames = Frames.of(self._blob, stored, self.size_bytes, self._memory)
        if frames is not None:
            return _Frames(frames)
        return _Stream(self._blob, stored, self._sources, self._memory)

    def _give_back(self) -> bool:
        """Free the decoder if its turn is over; return whether that freed memory."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            held = self._memory.size_bytes > 0
            now_s = time.monotonic()
            if (
                self._decoder is not None
                and now_s - self._idle_since_s < IDLE_S
                and now_s < self._decoder.turn_ends_s
            ):
                return False
            self._free()
            return held
        finally:
            self._busy.release()

    def _free(self) -> None:
        self._decoder = None
        self._memory.release()


@final
class _Frames:
    """A decoder of independent frames. A read decodes the frame that contains the position."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    @property
    def turn_ends_s(self) -> float:
        """Now: it is cheap to read the seek table again."""
        return 0.0

    def can_read(self, position: int) -> bool:
        del position
        return True

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        frame = self._frames.index.at(position)
        # The buffer may be smaller than a frame.
        plain = self._frames.decode_into(
            frame,
            self._frames.read(frame),
            buffer if frame.content_bytes <= len(buffer) else bytearray(frame.content_bytes),
        )
        return plain[position - frame.content_offset :]


@final
class _Stream:
    """A decoder of a stream. It only reads forward."""

    def __init__(
        self, blob: OpenBlob, stored: StoredEncoding, sources: Sources, memory: MemoryLease
    ) -> None:
        self._stored = stored
        self._digest = sources.digest
        self._size_bytes = sources.size_bytes
        self._pieces = stream(
            blob,
            stored.codec,
            max_bytes=sources.size_bytes,
            memory=memory,
            read_bytes=_READ_BYTES,
        )
        self._piece = memoryview(b"")
        """The last piece that was decoded; it begins at ``_start``."""
        self._start = 0
        self._began_s = time.monotonic()
        self.turn_ends_s = math.inf
        """When another decoder may take the memory, although the client keeps up."""

    def can_read(self, position: int) -> bool:
        return position >= self._start

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        del buffer
        skipped = 0
        while position >= self._start + len(self._piece):
            if skipped >= SKIP_BYTES:
                return memoryview(b"")
            self._start += len(self._piece)
            self._piece = memoryview(b"")
            try:
                piece = next(self._pieces, None)
            except InvalidInput as exc:
                raise undecodable(self._stored.digest, exc) from exc
            if piece is None:
                raise damaged(
                    self._stored.digest,
                    f"it decodes to {self._start} bytes; {self._digest} has"
                    f" {self._size_bytes} bytes",
                )
            self._piece = memoryview(piece)
            skipped += len(piece)
        if self.turn_ends_s == math.inf:
            now_s = time.monotonic()
            self.turn_ends_s = now_s + max(TURN_S, TURN_FACTOR * (now_s - self._began_s))
        return self._piece[position - self._start :]
