"""The size of an xz stream's dictionary, found in the header of the stream's first block.

Spec: The .xz File Format, sections 2.1.1 (Stream Header), 3.1 (Block Header) and 5.3.1 (LZMA2).
"""

from __future__ import annotations

from typing import Final

MAGIC: Final = b"\xfd7zXZ\0"
MAX_HEADER_BYTES: Final = 12 + 1024
"""The longest stream header and block header together."""

_STREAM_HEADER_BYTES: Final = 12
_FILTERS: Final = 0x03
_COMPRESSED_SIZE: Final = 0x40
_UNCOMPRESSED_SIZE: Final = 0x80
_LZMA2: Final = 0x21
_DICTIONARY_BITS: Final = 0x3F
_LARGEST: Final = 40
_CONTINUED: Final = 0x80


def dictionary_bytes(head: bytes) -> int | None:
    """Return the size of the dictionary that the first block needs.

    Only the size of the dictionary is read. The library checks everything else in the header.

    Args:
        head: The beginning of an xz stream.

    Returns:
        The size in bytes; 0 if the stream has no block or its header is wrong; None if ``head`` is
        too short.
    """
    block = head[_STREAM_HEADER_BYTES:]
    if not block or len(block) < (block[0] + 1) * 4:
        return None
    if not block[0]:
        return 0
    try:
        return _largest_dictionary(block[: (block[0] + 1) * 4])
    except IndexError:
        return 0


def _largest_dictionary(block: bytes) -> int:
    flags, at = block[1], 2
    for size in (_COMPRESSED_SIZE, _UNCOMPRESSED_SIZE):
        if flags & size:
            _, at = _number(block, at)
    largest = 0
    for _ in range((flags & _FILTERS) + 1):
        identity, at = _number(block, at)
        length, at = _number(block, at)
        if identity == _LZMA2:
            bits = block[at] & _DICTIONARY_BITS
            largest = max(
                largest,
                (1 << 32) - 1 if bits >= _LARGEST else (2 | (bits & 1)) << (bits // 2 + 11),
            )
        at += length
    return largest


def _number(block: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, and the offset after it."""
    value = shift = 0
    while True:
        byte = block[at]
        at += 1
        value |= (byte & ~_CONTINUED) << shift
        shift += 7
        if not byte & _CONTINUED:
            return value, at
