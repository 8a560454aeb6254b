"""Text files that users write, on any system."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from store.errors import InvalidInput
from store.files.os_errors import reading_input

if TYPE_CHECKING:
    from pathlib import Path

MAX_TEXT_BYTES: Final = 16 << 20
"""The largest text file that is read, in bytes."""


def read_text_file(path: Path) -> str:
    """Return the text of a file in UTF-8, without a byte order mark, with newlines as line ends.

    Windows programs begin a file with a byte order mark, and end lines with two characters.

    Args:
        path: The file.

    Raises:
        InvalidInput: The file is missing, too large, or not UTF-8.
        PermissionDenied: The file may not be read.
        Unavailable: The file cannot be read.
    """
    with reading_input(path), path.open("rb") as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise InvalidInput(f"invalid file {path}: it is larger than {MAX_TEXT_BYTES} bytes")
    return decode_text(data, str(path))


def decode_text(data: bytes, name: str) -> str:
    """Return text in UTF-8, without a byte order mark, with newlines as line ends.

    Args:
        data: The bytes of a file.
        name: The name of the file, for the message.

    Raises:
        InvalidInput: The bytes are not UTF-8.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput(f"invalid file {name}: it is UTF-16 text", hint="save the file as UTF-8")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"invalid file {name}: expected UTF-8 text") from None
