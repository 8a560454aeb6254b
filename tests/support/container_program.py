"""A program for images that have no other file: it prints a sentence and exits."""

from __future__ import annotations

import struct
from typing import Final

_BASE: Final = 0x400000
_HEAD: Final = 64 + 56


def printing_program(sentence: bytes) -> bytes:
    """Return an ELF file for Linux on x86-64 that prints ``sentence`` and needs no library."""
    # Two system calls: write the sentence to standard output, and exit with 0.
    code = b"\xb8\x01\0\0\0\xbf\x01\0\0\0\x48\xbe%b\xba%b\x0f\x05\xb8\x3c\0\0\0\x31\xff\x0f\x05"
    length = len(code % (bytes(8), bytes(4)))
    code = code % (struct.pack("<Q", _BASE + _HEAD + length), struct.pack("<I", len(sentence)))
    size = _HEAD + length + len(sentence)
    header = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEAD, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code + sentence
