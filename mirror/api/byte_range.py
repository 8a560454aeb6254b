"""The byte range that a request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.protocol import ranges
from mirror.protocol.conditions import range_applies
from mirror.protocol.errors import WireError
from store.formats.distribution.errors import ErrorCode

if TYPE_CHECKING:
    from aiohttp import web


def wanted(request: web.Request, tag: str, size_bytes: int) -> ranges.ByteRange | None:
    """Return the byte range that a request asks for.

    Args:
        request: A request for a blob or an archive.
        tag: The entity tag of the blob or archive.
        size_bytes: The size of the blob or archive.

    Returns:
        The range; None for the whole blob or archive.

    Raises:
        WireError: The blob or archive has no byte in the range.
    """
    # RFC 9110 section 14.2 defines ranges for GET alone.
    if request.method != "GET" or not range_applies(request.headers.get("If-Range"), tag):
        return None
    try:
        return ranges.parse_range(request.headers.get("Range"), size_bytes)
    except ranges.UnsatisfiableError:
        raise WireError(
            416,
            ErrorCode.RANGE_INVALID,
            f"unsatisfiable Range: the requested content has {size_bytes} bytes",
            headers={
                "Content-Range": f"bytes */{size_bytes}",
                "Accept-Ranges": "bytes",
                "ETag": tag,
            },
        ) from None
