"""Media types of requests and answers, apart from those of the documents themselves."""

from __future__ import annotations

from typing import Final

BLOB: Final = "application/octet-stream"
ERRORS: Final = "application/json"

_GENERIC: Final = frozenset({BLOB, ERRORS, "text/plain", "application/x-www-form-urlencoded"})


def declared_type(content_type: str) -> str:
    """Return the media type that ``Content-Type`` declares for a manifest.

    Args:
        content_type: The value of the header; empty if there is none.

    Returns:
        The type without parameters; empty if it is one that HTTP programs send by default, which
        says nothing about the document.
    """
    media_type = content_type.partition(";")[0].strip()
    return "" if media_type in _GENERIC else media_type
