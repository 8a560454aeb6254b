"""The line that a registry on standard output sends before HTTP begins.

The client is on another machine. It reads the line to know that the program runs there and has this
version of the protocol, and that no shell has written anything else.
"""

from __future__ import annotations

import re
from typing import Final

PROTOCOL: Final = 1
"""The version of the protocol: HTTP/1.1 after one line."""

MAX_GREETING_BYTES: Final = 200

_GREETING: Final = re.compile(
    rb"storectl-stdio/(?P<protocol>[0-9]{1,4}) (?P<version>[!-~]{1,100})\r\n"
)


def greeting(version: str) -> bytes:
    """Return the line.

    Args:
        version: The version of the program.
    """
    return f"storectl-stdio/{PROTOCOL} {version}\r\n".encode("ascii")


def parse_greeting(data: bytes) -> tuple[int, str] | None:
    """Return the protocol and the version in a line, or None if it is another line.

    Args:
        data: The bytes of the line, with its end.
    """
    match = _GREETING.fullmatch(data)
    return None if match is None else (int(match["protocol"]), match["version"].decode("ascii"))
