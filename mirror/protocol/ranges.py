"""Byte ranges of requests, and of the chunks of an upload.

Spec: RFC 9110 section 14 (``Range``); distribution-spec, "Pushing a blob in chunks".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

# The spaces are matched possessively: with two runs of spaces side by side, a header of n spaces
# would otherwise be split in n ways.
_RANGE: Final = re.compile(
    r"bytes\s*+=\s*+(?:(?P<first>[0-9]{1,18})\s*+-\s*+(?P<last>[0-9]{1,18})?"
    r"|-\s*+(?P<suffix>[0-9]{1,18}))\s*+",
    re.IGNORECASE,
)
_CONTENT_RANGE: Final = re.compile(
    r"(?:bytes[ =])?(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})(?:/(?:[0-9]{1,18}|\*))?"
)


@final
@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from offset ``start`` up to, but not including, ``stop``.

    Args:
        start: The offset of the first byte.
        stop: The offset after the last byte.
        size_bytes: The size of the whole content.
    """

    start: int
    stop: int
    size_bytes: int

    @property
    def content_range(self) -> str:
        """The value of ``Content-Range``."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size_bytes}"


class UnsatisfiableError(Exception):
    """No byte of the content is in the range."""


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """Read a ``Range`` header.

    Args:
        header: The value of the header; None if the request has no such header.
        size_bytes: The size of the whole content.

    Returns:
        The range; None for the whole content. The result is None as well if the header has a
        different unit, several ranges or a syntax error; RFC 9110 section 14.2 allows a server to
        ignore such a header.

    Raises:
        UnsatisfiableError: No byte of the content is in the range.
    """
    match = None if header is None else _RANGE.fullmatch(header.strip())
    if match is None:
        return None
    if match["suffix"] is not None:
        suffix_bytes = int(match["suffix"])
        if suffix_bytes == 0 or size_bytes == 0:
            raise UnsatisfiableError
        return ByteRange(max(0, size_bytes - suffix_bytes), size_bytes, size_bytes)
    first = int(match["first"])
    last = size_bytes - 1 if match["last"] is None else int(match["last"])
    # RFC 9110 says to ignore an invalid range such as 500-0. The conformance program expects a
    # refusal, and no honest client sends such a range.
    if first >= size_bytes or last < first:
        raise UnsatisfiableError
    return ByteRange(first, min(last + 1, size_bytes), size_bytes)


def parse_content_range(header: str) -> tuple[int, int] | None:
    """Read the ``Content-Range`` of a chunk.

    Args:
        header: The value of the header, with or without the unit and the total size.

    Returns:
        The offset of the first byte and the number of bytes; None if the value is invalid.
    """
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last = int(match["first"]), int(match["last"])
    # Some clients announce an empty chunk as 0-0, others as N-(N-1).
    return (first, last - first + 1) if last >= first - 1 else None
