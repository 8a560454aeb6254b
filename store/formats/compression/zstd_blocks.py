"""Where the parts of a zstd stream begin and end, so that a decoder can be fed what decodes to a known number of bytes at most.

libzstd's bindings decode all they are given at once, and four bytes may stand for 128 KiB. They
also stop silently after the first frame, and take a frame that ends early for finished. Following
the blocks, whose headers are three bytes each, avoids all three.

Spec: RFC 8878 section 3.1 (Zstandard frames).
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

BLOCK_BYTES: Final = 128 * 1024
"""No block decodes to more (RFC 8878 section 3.1.1.2.4)."""

MAGIC: Final = b"\x28\xb5\x2f\xfd"
SKIPPABLE_HEADER_BYTES: Final = 8

_DICTIONARY_ID_BYTES: Final = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES: Final = (0, 2, 4, 8)
_TWO_BYTE_SIZE_OFFSET: Final = 256
_RESERVED_BIT: Final = 0x08
_CHECKSUM_BIT: Final = 0x04
_CHECKSUM_BYTES: Final = 4
_BLOCK_HEADER_BYTES: Final = 3
_RLE, _RESERVED = 1, 3


class MalformedError(Exception):
    """Bytes that are no zstd stream; the text says why."""


class FrameHeader(NamedTuple):
    """What a frame says of itself: the memory it needs in bytes, and whether a checksum follows its blocks."""

    window_bytes: int
    checksum: bool


def is_skippable(magic: bytes) -> bool:
    """Whether these four bytes, little-endian, are 0x184D2A50 to 0x184D2A5F: a frame that decoders pass over."""
    return magic[1:4] == b"\x2a\x4d\x18" and magic[0] >> 4 == 0x5  # noqa: PLR2004 - the lowest four bits are free


def header_bytes(descriptor: int) -> int:
    """The size of a frame header whose fifth byte is ``descriptor``, magic number and that byte included. Raises MalformedError."""
    if descriptor & _RESERVED_BIT:
        raise MalformedError("a reserved bit of a zstd frame header is set")
    single_segment = descriptor >> 5 & 1
    content_size = _CONTENT_SIZE_BYTES[descriptor >> 6] or single_segment
    return (
        len(MAGIC) + 1 + (1 - single_segment) + _DICTIONARY_ID_BYTES[descriptor & 3] + content_size
    )


def read_header(header: bytes) -> FrameHeader:
    """Read a frame header of `header_bytes` bytes."""
    descriptor = header[4]
    if descriptor >> 5 & 1:
        # In a single segment the window is the content, and the content's size is the last field.
        field = header[5 + _DICTIONARY_ID_BYTES[descriptor & 3] :]
        window = int.from_bytes(field, "little") + (_TWO_BYTE_SIZE_OFFSET if len(field) == 2 else 0)  # noqa: PLR2004
    else:
        base = 1 << (10 + (header[5] >> 3))
        window = base + (base >> 3) * (header[5] & 7)
    return FrameHeader(window, bool(descriptor & _CHECKSUM_BIT))


@final
class BlockScanner:
    """Follows the blocks of one frame, from behind its header, through pieces of any size.

    ``done`` becomes true where the frame ends, checksum included.
    """

    def __init__(self, *, checksum: bool) -> None:
        self.done = False
        self._trailer = _CHECKSUM_BYTES if checksum else 0
        self._head = bytearray()
        self._body = 0
        self._last = False

    def scan(self, data: bytes | memoryview, start: int, max_bytes: int) -> int:
        """How far ``data`` can be decoded from ``start`` so that not more than ``max_bytes`` (at least two blocks) come out.

        Raises MalformedError.
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
            raise MalformedError("a zstd block of a reserved type")
        if size > BLOCK_BYTES:
            raise MalformedError("a zstd block is too large")
        self._body = 1 if kind == _RLE else size
