"""The root of the error tree, and the errors that values raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from store.model.remedies import Remedy


class StoreError(Exception):
    """The root: catching it catches everything the store raises on purpose."""

    usual_hint: ClassVar[str | None] = None
    """What to do next when nothing better is known."""

    def __init__(
        self, message: str, *, hint: str | None = None, remedy: Remedy | None = None
    ) -> None:
        """Make the error.

        Args:
            message: The fact, without a final period.
            hint: What to do next, without a flag or command. None takes the class's usual hint,
                unless there is a remedy.
            remedy: What would help, which the user interface puts into words.
        """
        super().__init__(message)
        self.message = message
        self.hint = hint or (None if remedy else self.usual_hint)
        self.remedy = remedy


class InvalidInput(StoreError):
    """What was handed in is wrong; nothing was stored."""


class InvalidDigest(InvalidInput):
    """Text that is not a digest of a known algorithm."""


class InvalidReference(InvalidInput):
    """Text that is not an image reference (distribution/reference grammar)."""

    def __init__(
        self, message: str, *, text: str, hint: str | None = None, remedy: Remedy | None = None
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.text = text


def printable(text: str) -> str:
    """``text`` without anything a terminal could obey.

    Control and format characters and lone surrogates become escapes.

    Names come from archives; an error that quotes one must not carry its escape sequences to the
    reader's terminal.
    """
    return "".join(
        ch if ch.isprintable() else ch.encode("unicode_escape", "surrogatepass").decode("ascii")
        for ch in text
    )
