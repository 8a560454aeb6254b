"""The interface through which a long operation reports its progress."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Progress(Protocol):
    """A receiver of progress reports. Several threads call its methods; sizes are in bytes."""

    def total(self, size_bytes: int | None) -> None:
        """Report how many bytes the whole operation will process; None if unknown."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """Report that a part begins.

        Args:
            key: Identifies the part in later calls.
            label: The part's name for the user.
            size_bytes: How many bytes the part has; None if unknown.
        """

    def advance(self, key: str, size_bytes: int) -> None:
        """Report that ``size_bytes`` more bytes of a part are done."""

    def finish(self, key: str) -> None:
        """Report that a part is done."""


@final
class Silent:
    """A `Progress` that reports nothing."""

    def total(self, size_bytes: int | None) -> None:
        """Ignore the report."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """Ignore the report."""

    def advance(self, key: str, size_bytes: int) -> None:
        """Ignore the report."""

    def finish(self, key: str) -> None:
        """Ignore the report."""


@contextmanager
def part(progress: Progress, name: str, size_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """Report a part that lasts as long as the block.

    Args:
        progress: Receives the reports.
        name: Identifies the part, and is its name for the user.
        size_bytes: How many bytes the part has; None if unknown.

    Yields:
        A function that reports how many more bytes are done.
    """
    progress.start(name, name, size_bytes)
    try:
        yield lambda done: progress.advance(name, done)
    finally:
        progress.finish(name)
