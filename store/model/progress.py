"""How an operation reports its progress."""

from __future__ import annotations

from typing import Protocol, final


class Progress(Protocol):
    """Where a long operation tells how far it is.

    Sizes are bytes; ``total`` is None when it is not known. Called from several threads.
    """

    def total(self, size_bytes: int | None) -> None:
        """The whole operation will pass this many bytes."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """A part begins."""

    def advance(self, key: str, size_bytes: int) -> None:
        """The part went on by this much."""

    def finish(self, key: str) -> None:
        """The part is done."""


@final
class Silent:
    """A `Progress` that says nothing."""

    def total(self, size_bytes: int | None) -> None:
        """See `Progress`."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """See `Progress`."""

    def advance(self, key: str, size_bytes: int) -> None:
        """See `Progress`."""

    def finish(self, key: str) -> None:
        """See `Progress`."""
