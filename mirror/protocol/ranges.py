"""Byte ranges: what a client asks for (RFC 9110 section 14), and what it says it sends (distribution-spec, "Pushing a blob in chunks")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

_RANGE: Final = re.compile(
    r"bytes\s*=\s*(?:(?P<first>[0-9]{1,18})\s*-\s*(?P<last>[0-9]{1,18})?|-\s*(?P<suffix>[0-9]{1,18}))\s*",
    re.IGNORECASE,
)
_CONTENT_RANGE: Final = re.compile(
    r"(?:bytes[ =])?(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})(?:/(?:[0-9]{1,18}|\*))?"
)


@final
@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from ``start`` to before ``stop`` of ``size_bytes``."""

    start: int
    stop: int
    size_bytes: int

    @property
    def content_range(self) -> str:
        """The value of ``Content-Range``."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size_bytes}"


class UnsatisfiableError(Exception):
    """No byte of the content is in the range."""


def requested(header: str | None, size_bytes: int) -> Part | None:
    """The part that a ``Range`` header asks for; None for the whole.

    What is no range of bytes, or several of them, is ignored, as RFC 9110 section 14.2 allows.
    Raises UnsatisfiableError.
    """
    match = None if header is None else _RANGE.fullmatch(header.strip())
    if match is None:
        return None
    if match["suffix"] is not None:
        wanted = int(match["suffix"])
        if wanted == 0 or size_bytes == 0:
            raise UnsatisfiableError
        return Part(max(0, size_bytes - wanted), size_bytes, size_bytes)
    first = int(match["first"])
    last = size_bytes - 1 if match["last"] is None else int(match["last"])
    # RFC 9110 calls 500-0 invalid, to be ignored; the conformance program wants it refused, and no
    # honest client asks for it.
    if first >= size_bytes or last < first:
        raise UnsatisfiableError
    return Part(first, min(last + 1, size_bytes), size_bytes)


def announced(header: str) -> tuple[int, int] | None:
    """First byte and number of bytes of a piece, by its ``Content-Range``.

    None when it makes no sense.
    """
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last = int(match["first"]), int(match["last"])
    # An empty piece is announced as 0-0 by some clients and as N-(N-1) by others.
    return (first, last - first + 1) if last >= first - 1 else None
