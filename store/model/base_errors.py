"""The base class of the store's errors, and the errors for values that cannot be parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict, Unpack

if TYPE_CHECKING:
    from store.model.remedies import Remedy


class Advice(TypedDict, total=False):
    """The keyword arguments ``hint`` and ``remedy``, which every `StoreError` accepts."""

    hint: str | None
    remedy: Remedy | None


class StoreError(Exception):
    """The base class of all errors that the store raises on purpose.

    Attributes:
        message: The fact, without a final period.
        hint: The next step, in words without a flag or command; None if there is none.
        remedy: The next step as a member of ``Remedy``, which each user interface puts into its own
            words; None if there is none.
    """

    usual_hint: ClassVar[str | None] = None
    """The hint of the class, used if an error has neither a hint nor a remedy."""

    def __init__(
        self, message: str, *, hint: str | None = None, remedy: Remedy | None = None
    ) -> None:
        """Set the message and the advice.

        Args:
            message: The fact, without a final period.
            hint: The next step, without a flag or command. If hint and remedy are None, the class's
                usual hint is used.
            remedy: The next step, which the user interface puts into words.
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
        text: The text that was given.
    """

    def __init__(self, message: str, *, text: str, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.text = text


def is_text(text: str) -> bool:
    """Return whether a text has no lone surrogates, with which Python marks bytes beyond UTF-8.

    Args:
        text: Any text, such as an argument of the command line.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """Return ``text`` with escapes in place of characters that control a terminal.

    Names come from archives: an error that quotes a name must not send escape sequences to the
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
