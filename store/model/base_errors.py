"""The root of the error tree, and the errors that values raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict, Unpack

if TYPE_CHECKING:
    from store.model.remedies import Remedy


class Advice(TypedDict, total=False):
    """What every error takes besides its own facts (see `StoreError`)."""

    hint: str | None
    remedy: Remedy | None


class StoreError(Exception):
    """The root: catching it catches everything that the store raises on purpose.

    Attributes:
        message: The fact, without a final period.
        hint: What to do next, without a flag or command, or None.
        remedy: What would help, which the user interface puts into words, or None.
    """

    usual_hint: ClassVar[str | None] = None
    """The hint of the class, for errors that are raised without a hint or remedy."""

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
    """Input that is wrong; the store is unchanged."""


class InvalidDigest(InvalidInput):
    """Text that is not a digest of a known algorithm."""


class InvalidReference(InvalidInput):
    """Text that is not an image reference (distribution/reference grammar).

    Attributes:
        text: The text.
    """

    def __init__(self, message: str, *, text: str, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.text = text


def printable(text: str) -> str:
    """Return ``text`` without anything that a terminal could obey.

    Names come from archives: an error that quotes a name must not carry its escape sequences to the
    reader's terminal.

    Args:
        text: Any text, lone surrogates included.

    Returns:
        The text, with an escape in place of each control or format character and each lone
        surrogate.
    """
    return "".join(
        ch if ch.isprintable() else ch.encode("unicode_escape", "surrogatepass").decode("ascii")
        for ch in text
    )
