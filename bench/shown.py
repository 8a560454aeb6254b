"""Figures as text, the same on a terminal and in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.figures import Verdict
    from bench.model import Target


def duration(seconds: float) -> str:
    """Three digits: ``1.23 s``, ``45.6 ms``."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def size(number: float) -> str:
    """Bytes as people read them; nothing for none."""
    if not number:
        return ""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f} B"


def rate(size_bytes: int, seconds: float) -> str:
    """Bytes a second; nothing where a rate means nothing."""
    return f"{size_bytes / seconds / 1e6:.0f} MB/s" if size_bytes and seconds else ""


def figure(number: float, unit: str) -> str:
    """A target's figure with its unit; a ratio as a plain number."""
    return f"{number:.3g} {unit}".strip()


def limit(target: Target) -> str:
    """The target as it was asked."""
    return target.text


def verdict(found: Verdict) -> str:
    """Whether it was met, in a word."""
    return "" if found.met is None else "met" if found.met else "missed"
