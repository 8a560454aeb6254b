"""The part of something that a request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.protocol import ranges
from mirror.protocol.conditions import range_applies
from mirror.protocol.errors import WireError

if TYPE_CHECKING:
    from aiohttp import web


def wanted(request: web.Request, tag: str, size_bytes: int) -> ranges.Part | None:
    """The part of ``size_bytes`` bytes with the entity tag ``tag``; None for the whole.

    Raises WireError.
    """
    # RFC 9110 section 14.2: ranges are defined for GET alone.
    if request.method != "GET" or not range_applies(request.headers.get("If-Range"), tag):
        return None
    try:
        return ranges.requested(request.headers.get("Range"), size_bytes)
    except ranges.UnsatisfiableError:
        raise WireError(
            416,
            "RANGE_INVALID",
            f"there are {size_bytes} bytes",
            headers={
                "Content-Range": f"bytes */{size_bytes}",
                "Accept-Ranges": "bytes",
                "ETag": tag,
            },
        ) from None
