"""The line before HTTP begins."""

from __future__ import annotations

import pytest

from store.formats.distribution.greeting import (
    MAX_GREETING_BYTES,
    PROTOCOL,
    greeting,
    parse_greeting,
)


@pytest.mark.parametrize("version", ["1.0", "0.9.1.dev3+g1234"])
def test_a_line_is_parsed(version: str) -> None:
    line = greeting(version)
    assert parse_greeting(line) == (PROTOCOL, version)
    assert len(line) < MAX_GREETING_BYTES


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Welcome\r\n",
        b"Welcome\r\nstorectl-stdio/1 1.0\r\n",
        b"storectl-stdio/1 1.0",
        b"storectl-stdio/1 1.0\r\nmore",
        b"storectl-stdio/x 1.0\r\n",
        b"storectl-stdio/1 1 0\r\n",
    ],
)
def test_other_bytes_are_not_the_line(line: bytes) -> None:
    assert parse_greeting(line) is None
