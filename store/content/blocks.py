"""Read any part of a digest's bytes in blocks, into the caller's memory, from any stored form.

A digest can be checked only when all bytes are read, as in `store.content.reader`. Here only the
checksums in frames of seekable zstd are checked. A caller that returns a part of the bytes first
makes sure that the encoding is proven (`Sources.is_proven`). A caller that returns all bytes reads
them through `store.content.whole_check`.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, Protocol, final

from store.content.frames import Frames
from store.content.stored import damaged, open_stored, require_readable
from store.errors import InvalidInput
from store.formats.compression.decoders import decoder
from store.model.contents import ContentState
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.blobs.protocol import BlobStore, OpenBlob
    from store.model.contents import Sources, StoredEncoding
    from store.model.digests import Digest

BLOCK_BYTES: Final = 4 * MIB
"""Decoded size in bytes of each frame that this program makes; a good size for a buffer."""

_STORED_PIECE_BYTES: Final = 128 * 1024


class Blocks(Protocol):
    """Bytes that can be read from any position.

    Only one call at a time may run; the calls may come from different threads.
    """

    @property
    def size_bytes(self) -> int:
        """The number of bytes that can be read."""

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        """Read at least one byte at a position.

        Args:
            position: Offset of the first byte, less than `size_bytes`.
            buffer: Memory that may receive the bytes; its size is a hint.

        Returns:
            At least one byte, in ``buffer`` or elsewhere, valid until the next call.

        Raises:
            DamagedContent: Stored bytes are wrong or end early.
            ContentMissing: A blob is missing.
        """

    def close(self) -> None:
        """Close every blob."""


def open_blocks(blobs: BlobStore, sources: Sources) -> Blocks:
    """Open the bytes of a digest for reading in blocks.

    Args:
        blobs: The blob store that holds them.
        sources: The stored forms of the digest.

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
    stored = sources.encodings[0]
    blob = open_stored(blobs, stored.digest)
    try:
        frames = Frames.of(blob, stored, sources.size_bytes)
    except BaseException:
        blob.close()
        raise
    if frames is None:
        return _Stream(blob, stored, sources)
    return _Frames(blob, frames, sources.size_bytes)


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
class _Frames:
    """An encoding of independent frames. A read decodes the frame that contains the position."""

    def __init__(self, blob: OpenBlob, frames: Frames, size_bytes: int) -> None:
        self._blob = blob
        self._frames = frames
        self._index = [frame for frame in frames.index if frame.content_bytes]
        self._starts = [frame.content_offset for frame in self._index]
        self.size_bytes = size_bytes

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        frame = self._index[bisect_right(self._starts, position) - 1]
        # Frames of other programs may be larger than frames of this program.
        plain = self._frames.decode_into(
            frame,
            self._frames.read(frame),
            buffer if frame.content_bytes <= len(buffer) else bytearray(frame.content_bytes),
        )
        return plain[position - frame.content_offset :]

    def close(self) -> None:
        self._blob.close()


@final
class _Stream:
    """An encoding decoded as a stream. Reading forward is cheap; reading backward starts again."""

    def __init__(self, blob: OpenBlob, stored: StoredEncoding, sources: Sources) -> None:
        self._blob = blob
        self._stored = stored
        self._digest = sources.digest
        self.size_bytes = sources.size_bytes
        self._pieces = self._decoded()
        self._piece = memoryview(b"")
        """The last piece that was decoded; it begins at ``_start``."""
        self._start = 0

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        del buffer
        if position < self._start:
            self._pieces, self._piece, self._start = self._decoded(), memoryview(b""), 0
        while position >= self._start + len(self._piece):
            self._start += len(self._piece)
            self._piece = memoryview(b"")
            try:
                piece = next(self._pieces, None)
            except InvalidInput as exc:
                raise damaged(self._stored.digest, str(exc)) from exc
            if piece is None:
                raise damaged(
                    self._stored.digest,
                    f"it decodes to {self._start} bytes; {self._digest} has"
                    f" {self.size_bytes} bytes",
                )
            self._piece = memoryview(piece)
        return self._piece[position - self._start :]

    def _decoded(self) -> Iterator[bytes]:
        decode = decoder(self._stored.codec, max_bytes=self.size_bytes)
        position = 0
        while data := self._blob.pread(position, _STORED_PIECE_BYTES):
            position += len(data)
            yield from decode.feed(data)
        yield from decode.finish()

    def close(self) -> None:
        self._blob.close()
