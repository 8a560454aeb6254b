"""A scanner that finds the frames and blocks of a zstd stream without decoding the stream.

The Python bindings of libzstd have three problems. They decode all their input at once, and four
bytes can decode to 128 KiB. They stop silently after the first frame. They accept a frame that ends
early. A decoder avoids all three problems if it knows where each block ends, and a block's header
of three bytes states that.

Spec: RFC 8878 section 3.1 (Zstandard frames).
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

BLOCK_BYTES: Final = 128 * 1024
"""The most bytes that one block decodes to (RFC 8878 section 3.1.1.2.4)."""

MAGIC: Final = b"\x28\xb5\x2f\xfd"
SKIPPABLE_HEADER_BYTES: Final = 8

_DICTIONARY_ID_BYTES: Final = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES: Final = (0, 2, 4, 8)
_TWO_BYTE_SIZE_OFFSET: Final = 256
_DICTIONARY_BITS: Final = 0x03
_RESERVED_BIT: Final = 0x08
_CHECKSUM_BIT: Final = 0x04
_CHECKSUM_BYTES: Final = 4
_BLOCK_HEADER_BYTES: Final = 3
_RLE, _RESERVED = 1, 3
_SCANNED_AT_ONCE_BYTES: Final = 1024 * BLOCK_BYTES


class MalformedError(Exception):
    """Bytes that are not a zstd stream; the message says why."""


class FrameHeader(NamedTuple):
    """Facts from a frame's header.

    Attributes:
        window_bytes: The size of the window that decoding needs.
        checksum: Whether a checksum ends the frame.
        content_bytes: The decoded size that the frame states; None if it states none.
        dictionary: Whether a dictionary is needed to decode the frame.
    """

    window_bytes: int
    checksum: bool
    content_bytes: int | None
    dictionary: bool


def is_skippable(magic: bytes) -> bool:
    """Whether four bytes begin a skippable frame: 0x184D2A50 to 0x184D2A5F, little-endian."""
    return magic[1:4] == b"\x2a\x4d\x18" and magic[0] >> 4 == 0x5  # noqa: PLR2004 - the lowest four bits are free


def header_bytes(descriptor: int) -> int:
    """Return the size of a frame header in bytes, with the magic number.

    Args:
        descriptor: The header's fifth byte, the frame header descriptor.

    Raises:
        MalformedError: A reserved bit is set.
    """
    if descriptor & _RESERVED_BIT:
        raise MalformedError("a frame header has a reserved bit set")
    single_segment = descriptor >> 5 & 1
    content_size = _CONTENT_SIZE_BYTES[descriptor >> 6] or single_segment
    return (
        len(MAGIC) + 1 + (1 - single_segment) + _DICTIONARY_ID_BYTES[descriptor & 3] + content_size
    )


def read_header(header: bytes) -> FrameHeader:
    """Return the facts in a frame header.

    Args:
        header: The whole header, `header_bytes` bytes long.
    """
    descriptor = header[4]
    single_segment = descriptor >> 5 & 1
    # The decoded size is the last field of the header.
    field = header[6 - single_segment + _DICTIONARY_ID_BYTES[descriptor & 3] :]
    content = int.from_bytes(field, "little") + (_TWO_BYTE_SIZE_OFFSET if len(field) == 2 else 0)  # noqa: PLR2004
    if single_segment:
        window = content
    else:
        base = 1 << (10 + (header[5] >> 3))
        window = base + (base >> 3) * (header[5] & 7)
    return FrameHeader(
        window,
        bool(descriptor & _CHECKSUM_BIT),
        content if field else None,
        bool(descriptor & _DICTIONARY_BITS),
    )


def is_one_frame(data: bytes, content_bytes: int) -> bool:
    """Return whether ``data`` is exactly one frame, with no other bytes before, inside or after it.

    If so, all decoders yield the same bytes, whether or not they stop after the first frame.

    Args:
        data: The bytes between two boundaries of a seek table.
        content_bytes: The decoded size that the frame's header must state.
    """
    try:
        end = header_bytes(data[len(MAGIC)]) if data.startswith(MAGIC) else 0
        if not len(MAGIC) < end <= len(data):
            return False
        header = read_header(data[:end])
        if header.content_bytes != content_bytes or header.dictionary:
            return False
        blocks = BlockScanner(checksum=header.checksum)
        while not blocks.done and end < len(data):
            end = blocks.scan(data, end, _SCANNED_AT_ONCE_BYTES)
    except (IndexError, MalformedError):
        return False
    return blocks.done and end == len(data)


@final
class BlockScanner:
    """A scanner for the blocks of one frame, fed in pieces of any size.

    The first piece begins after the frame's header. ``done`` becomes true at the end of the frame,
    after the checksum.
    """

    def __init__(self, *, checksum: bool) -> None:
        self.done = False
        self._trailer = _CHECKSUM_BYTES if checksum else 0
        self._head = bytearray()
        self._body = 0
        self._last = False

    def scan(self, data: bytes | memoryview, start: int, max_bytes: int) -> int:
        """Return how far ``data`` may be decoded at once.

        Args:
            data: A piece of the frame.
            start: Offset in ``data`` of the first byte to scan.
            max_bytes: The most bytes that the scanned part may decode to; at least two blocks.

        Returns:
            The offset in ``data`` after the scanned part.

        Raises:
            MalformedError: A block has a reserved type or is too large.
        """
        position, end = start, len(data)
        # A block that began in an earlier piece may be completed by this one.
        room = max_bytes // BLOCK_BYTES - 1
        while True:
            step = min(self._body, end - position)
            self._body -= step
            position += step
            if self._body:
                return position
            if self._last:
                self._body, self._trailer = self._trailer, 0
                self.done = not self._body
                if self.done:
                    return position
                continue
            if not room:
                return position
            step = min(_BLOCK_HEADER_BYTES - len(self._head), end - position)
            self._head += data[position : position + step]
            position += step
            if len(self._head) < _BLOCK_HEADER_BYTES:
                return position
            self._take_header(int.from_bytes(self._head, "little"))
            self._head.clear()
            room -= 1

    def _take_header(self, header: int) -> None:
        self._last = bool(header & 1)
        kind, size = header >> 1 & 3, header >> 3
        if kind == _RESERVED:
            raise MalformedError("a block has a reserved type")
        if size > BLOCK_BYTES:
            raise MalformedError(f"a block has {size} bytes: the limit is {BLOCK_BYTES} bytes")
        self._body = 1 if kind == _RLE else size
