"""The independent frames of a seekable encoding, decoded and checked one at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Self, final

import zstandard

from store.content.stored import damaged, undecodable
from store.errors import CorruptStream
from store.formats.compression.seekable_zstd import (
    FOOTER_BYTES,
    TABLE_MEMORY_BYTES,
    Frame,
    FrameTable,
    frame_count,
    max_frames,
    read_table,
    table_bytes,
)
from store.model.contents import Codec
from store.model.limits import MIB

if TYPE_CHECKING:
    from store.blobs.protocol import OpenBlob
    from store.formats.compression.memory import MemoryLease
    from store.model.contents import StoredEncoding

MAX_FRAME_BYTES: Final = 4 * MIB
"""The largest decoded size of a frame that is decoded as a whole, as in this program's frames.

An encoding with a larger frame is decoded as a stream, in pieces.
"""

_MAX_STORED_BYTES: Final = MAX_FRAME_BYTES + 64 * 1024
"""The largest stored size of such a frame: blocks that do not compress are stored with a header."""

_local = threading.local()


@final
class Frames:
    """The frames of one open encoding. Any thread may read and decode any frame.

    Attributes:
        index: The frames, in the order of the decoded bytes.
    """

    def __init__(self, blob: OpenBlob, stored: StoredEncoding, index: FrameTable) -> None:
        self._blob = blob
        self._digest = stored.digest
        self.index = index

    @classmethod
    def of(
        cls, blob: OpenBlob, stored: StoredEncoding, content_bytes: int, memory: MemoryLease
    ) -> Self | None:
        """Read the seek table of an encoding.

        Args:
            blob: The open blob of the encoding; the caller closes it.
            stored: The encoding as the catalogue records it.
            content_bytes: The total size that the frames must decode to.
            memory: The lease for the memory of the table. The caller releases it.

        Returns:
            The frames; None if the encoding has to be decoded as a stream. A stream is necessary if
            the encoding is not seekable zstd, if its seek table is missing, wrong or too long
            (`max_frames`), or if a frame is larger than `MAX_FRAME_BYTES`.

        Raises:
            DecodersBusy: Other decoders use the memory.
        """
        count = _listed_frames(blob, stored, content_bytes)
        if not count:
            return None
        memory.require(count * TABLE_MEMORY_BYTES)
        index = _read_index(blob)
        if index is None or index.content_bytes != content_bytes:
            return None
        largest_stored, largest = index.largest
        if largest > MAX_FRAME_BYTES or largest_stored > _MAX_STORED_BYTES:
            return None
        return cls(blob, stored, index)

    def read(self, frame: Frame) -> bytes:
        """Return the stored bytes of a frame, fewer than expected if the blob ends early."""
        return self._blob.pread(frame.stored_offset, frame.stored_bytes)

    def read_into(self, frame: Frame, buffer: memoryview) -> memoryview:
        """Read the stored bytes of a frame into ``buffer``; return the filled part of it."""
        return buffer[: self._blob.pread_into(frame.stored_offset, buffer[: frame.stored_bytes])]

    def decode(self, frame: Frame, data: bytes) -> bytes:
        """Decode a frame into new memory.

        Args:
            frame: An element of `index`.
            data: Its stored bytes.

        Raises:
            DamagedContent: The bytes cannot be decoded, or do not match the seek table.
            Unavailable: There is not enough memory.
        """
        try:
            self._check_header(frame, data)
            decoded = _decompressor().decompress(
                data, max_output_size=frame.content_bytes, allow_extra_data=False
            )
        except zstandard.ZstdError as exc:
            raise undecodable(self._digest, exc) from exc
        if len(decoded) != frame.content_bytes:
            raise damaged(self._digest, _MISFIT)
        return decoded

    def decode_into(
        self, frame: Frame, data: bytes | memoryview, buffer: bytearray | memoryview
    ) -> memoryview:
        """Decode a frame into the caller's memory.

        Args:
            frame: An element of `index`.
            data: Its stored bytes.
            buffer: Receives the bytes, from its start; at least ``frame.content_bytes`` large.

        Returns:
            The part of ``buffer`` that holds the decoded bytes.

        Raises:
            DamagedContent: The bytes cannot be decoded, or do not match the seek table.
            Unavailable: There is not enough memory.
        """
        plain = memoryview(buffer)[: frame.content_bytes]
        try:
            self._check_header(frame, data)
            with _decompressor().stream_reader(data, read_across_frames=False) as decoded:
                # The second read reaches the end of the frame, where the checksum is compared.
                fits = decoded.readinto(plain) == len(plain) and not decoded.read(1)
        except zstandard.ZstdError as exc:
            raise undecodable(self._digest, exc) from exc
        if not fits:
            raise damaged(self._digest, _MISFIT)
        return plain

    def _check_header(self, frame: Frame, data: bytes | memoryview) -> None:
        # The decoder allocates as much memory as the frame's header states, without regard to any
        # ceiling. A flipped bit in the header must not make it allocate exabytes.
        if (
            len(data) != frame.stored_bytes
            or zstandard.frame_content_size(data) != frame.content_bytes
        ):
            raise damaged(self._digest, _MISFIT)


def _listed_frames(blob: OpenBlob, stored: StoredEncoding, content_bytes: int) -> int:
    """Return the number of frames in a seek table, without reading the table.

    Returns:
        The number; 0 if the encoding has to be decoded as a stream.
    """
    if stored.codec is not Codec.ZSTD or not stored.seekable or blob.size < FOOTER_BYTES:
        return 0
    count = frame_count(blob.pread(blob.size - FOOTER_BYTES, FOOTER_BYTES)) or 0
    return count if count <= max_frames(content_bytes) else 0


_MISFIT: Final = "a frame does not match the seek table"


def _read_index(blob: OpenBlob) -> FrameTable | None:
    size = blob.size
    length = table_bytes(blob.pread(size - FOOTER_BYTES, FOOTER_BYTES))
    if length is None or length > size:
        return None
    try:
        return read_table(blob.pread(size - length, length), size)
    except CorruptStream:
        return None


def _decompressor() -> zstandard.ZstdDecompressor:
    # One decompressor for each thread: to create one costs as much as to decode a small frame.
    known = _local.__dict__
    if "decompressor" not in known:
        known["decompressor"] = zstandard.ZstdDecompressor()
    decompressor: zstandard.ZstdDecompressor = known["decompressor"]
    return decompressor
