"""Reading of text that may not be UTF-8, as a check of damaged rows needs it."""

from __future__ import annotations


def any_text(data: bytes) -> str:
    """Return text as it is stored; bytes that are not UTF-8 become surrogates."""
    return data.decode("utf-8", "surrogateescape")
