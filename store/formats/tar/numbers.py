"""Numbers in the headers of a tar: octal, or base-256 in the GNU format."""

from __future__ import annotations

from typing import Final

_BASE256: Final = 0x80
_BASE256_NEGATIVE: Final = 0x40
_INT64: Final = 1 << 63


def number(field: bytes) -> int | None:
    """Return the value of a numeric field: octal between NULs and spaces, or base-256 (GNU).

    Returns:
        The value; None if the field has neither form or does not fit into 64 bits.
    """
    if not field[0] & _BASE256:
        return octal(field)
    inverted = 0xFF if field[0] & _BASE256_NEGATIVE else 0
    value = int.from_bytes(bytes(byte ^ inverted for byte in field), "big") & (
        (1 << (8 * len(field) - 1)) - 1
    )
    if value >= _INT64:
        return None
    return ~value if inverted else value


def octal(field: bytes) -> int | None:
    """Return the value of an octal field between NULs and spaces; None if it is not octal."""
    digits = until_nul(field.strip(b" \0"))
    if digits.translate(None, b"01234567"):
        return None
    # A field without digits is 0. (int() alone would accept underscores, signs and a prefix.)
    return int(digits or b"0", 8)


def until_nul(field: bytes) -> bytes:
    """Return the bytes of a field before its first NUL."""
    end = field.find(0)
    return field if end < 0 else field[:end]
