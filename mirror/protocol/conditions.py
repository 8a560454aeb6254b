"""Conditional requests (RFC 9110 section 13).

A digest is the best entity tag there can be: strong, and known before the bytes are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.model.digests import Digest


def etag(digest: Digest) -> str:
    """The entity tag of a content."""
    return f'"{digest}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has it already: ``If-None-Match`` compares weakly."""
    if if_none_match is None:
        return False
    listed = [one.strip() for one in if_none_match.split(",")]
    return "*" in listed or any(one.removeprefix("W/") == tag for one in listed)


def range_applies(if_range: str | None, tag: str) -> bool:
    """Whether a range is wanted: ``If-Range`` compares strongly, and a date never fits a digest."""
    return if_range is None or if_range.strip() == tag
