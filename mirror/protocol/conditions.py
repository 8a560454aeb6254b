"""Conditional requests (RFC 9110 section 13).

The entity tag of a blob or manifest is its digest; the digest is known before the bytes are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.model.digests import Digest


def etag(digest: Digest) -> str:
    """Return the entity tag of the blob or manifest that a digest names."""
    return f'"{digest}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Return whether the client already has the content.

    The entity tags are compared weakly (RFC 9110 section 8.8.3.2).

    Args:
        if_none_match: The value of ``If-None-Match``; None if the request has no such header.
        tag: The entity tag of the requested content.
    """
    if if_none_match is None:
        return False
    listed = [one.strip() for one in if_none_match.split(",")]
    return "*" in listed or any(one.removeprefix("W/") == tag for one in listed)


def range_applies(if_range: str | None, tag: str) -> bool:
    """Return whether ``If-Range`` allows an answer with a range.

    The entity tags are compared strongly, and a date in the header never allows a range.

    Args:
        if_range: The value of ``If-Range``; None if the request has no such header.
        tag: The entity tag of the requested content.
    """
    return if_range is None or if_range.strip() == tag
