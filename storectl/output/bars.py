"""The numbers behind progress bars: what each running part has done, and the total."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final, final

from store.errors import printable

MAX_BARS: Final = 6
"""The most parts with a bar of their own."""


@final
@dataclass(slots=True)
class _Part:
    """A running part.

    Attributes:
        label: The text in front of the bar.
        size_bytes: The size of the part in bytes; None if it is unknown.
        done_bytes: How many bytes are done.
    """

    label: str
    size_bytes: int | None
    done_bytes: int = 0


@final
@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the display, or the last line that counts parts without a bar.

    Attributes:
        label: The text in front of the bar.
        done_bytes: How many bytes are done; None for a line without a bar.
        size_bytes: How many bytes there are; None if this is unknown.
    """

    label: str
    done_bytes: int | None = None
    size_bytes: int | None = None


@final
@dataclass(slots=True)
class Bars:
    """A `Progress` that keeps the numbers for the display. Several threads may report at once."""

    _total: _Part = field(default_factory=lambda: _Part("total", None))
    _parts: dict[str, _Part] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def total(self, size_bytes: int | None) -> None:
        """Set the total size in bytes; None if it is unknown."""
        with self._lock:
            self._total.size_bytes = size_bytes

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """Add a part.

        Args:
            key: Identifies the part in `advance` and `finish`.
            label: The text in front of the bar; control characters are escaped.
            size_bytes: The size of the part in bytes, or None if it is unknown.
        """
        with self._lock:
            self._parts[key] = _Part(printable(label), size_bytes)

    def advance(self, key: str, size_bytes: int) -> None:
        """Advance the part ``key`` and the total by ``size_bytes`` bytes."""
        with self._lock:
            self._parts[key].done_bytes += size_bytes
            self._total.done_bytes += size_bytes

    def finish(self, key: str) -> None:
        """Remove the part ``key``."""
        with self._lock:
            del self._parts[key]

    def lines(self) -> list[Shown]:
        """Return the lines to draw: the oldest parts, the number of other parts, and the total."""
        with self._lock:
            some = [part for part, _ in zip(self._parts.values(), range(MAX_BARS), strict=False)]
            lines = [Shown(part.label, part.done_bytes, part.size_bytes) for part in some]
            others = len(self._parts) - len(some)
            if others:
                lines.append(Shown(f"{others} more"))
            total = self._total
            return [*lines, Shown(total.label, total.done_bytes, total.size_bytes)]
