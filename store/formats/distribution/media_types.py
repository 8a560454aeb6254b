"""Media types of requests and answers, except the types of manifests and indexes."""

from __future__ import annotations

from typing import Final

BLOB: Final = "application/octet-stream"
ERRORS: Final = "application/json"

_GENERIC: Final = frozenset({BLOB, ERRORS, "text/plain", "application/x-www-form-urlencoded"})


def declared_type(content_type: str) -> str:
    """Return the media type that ``Content-Type`` declares for a manifest.

    Args:
        content_type: The value of the header; empty if the request has no such header.

    Returns:
        The type without parameters. Empty for a type that HTTP programs send by default, because
        such a type does not describe the document.
    """
    media_type = content_type.partition(";")[0].strip()
    return "" if media_type in _GENERIC else media_type
