"""The interface through which a long operation reports its progress."""

from __future__ import annotations

from typing import Protocol, final


class Progress(Protocol):
    """A receiver of progress. Its methods are called from several threads; sizes are in bytes."""

    def total(self, size_bytes: int | None) -> None:
        """Take note of how many bytes the whole operation will process; None if unknown."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """Take note that a part begins.

        Args:
            key: Names the part in later calls.
            label: Names the part for people.
            size_bytes: How many bytes the part has; None if unknown.
        """

    def advance(self, key: str, size_bytes: int) -> None:
        """Take note that so many more bytes of a part are done."""

    def finish(self, key: str) -> None:
        """Take note that a part is done."""


@final
class Silent:
    """A `Progress` that reports nothing."""

    def total(self, size_bytes: int | None) -> None:
        """Do nothing."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """Do nothing."""

    def advance(self, key: str, size_bytes: int) -> None:
        """Do nothing."""

    def finish(self, key: str) -> None:
        """Do nothing."""
