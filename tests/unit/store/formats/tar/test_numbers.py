"""Numbers in the headers of a tar."""

from __future__ import annotations

import pytest

from store.formats.tar.numbers import number, octal, until_nul


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000644\0", 0o644),
        (b" 17 \0\0\0\0", 0o17),
        (bytes(8), 0),
        (b"12x\0", None),
        (b"\x80" + bytes(6) + b"\x05", 5),
        (b"\xff" * 8, -1),
        (b"\x80" + b"\xff" * 11, None),
    ],
)
def test_numbers_are_octal_or_in_base_256(field: bytes, value: int | None) -> None:
    assert number(field) == value


def test_an_octal_field_has_no_sign_and_no_prefix() -> None:
    assert (octal(b"-1"), octal(b"0o7"), octal(b"1_0"), octal(b"7\x008")) == (None, None, None, 7)
    assert (until_nul(b"ab\0c"), until_nul(b"ab")) == (b"ab", b"ab")
