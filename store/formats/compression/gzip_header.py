"""Functions that find the end of a gzip member's header, to give a decoder the whole header.

The inflate library reports a valid stream as corrupt if its header is cut in two and has several
optional fields or a checksum.

Spec: RFC 1952 section 2.3 (member format).
"""

from __future__ import annotations

from typing import Final

MAGIC: Final = b"\x1f\x8b\x08"
MAX_HEADER_BYTES: Final = 128 * 1024
"""The longest accepted header. An extra field has at most 64 KiB, and Go reads at most 511 bytes
each of name and comment."""

_FIXED_BYTES: Final = 10
_CHECKSUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16


def is_whole(head: bytes | bytearray) -> bool:
    """Whether ``head``, the first bytes of a member, contains the whole header."""
    if len(head) < _FIXED_BYTES:
        return False
    flags, end = head[3], _FIXED_BYTES
    if flags & _EXTRA:
        if len(head) < end + 2:
            return False
        end += 2 + int.from_bytes(head[end : end + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = head.find(0, end) + 1
            if not end:
                return False
    if flags & _CHECKSUM:
        end += 2
    return len(head) >= end
