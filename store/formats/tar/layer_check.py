"""A check of a layer that keeps the first error, for bytes that may be a layer or another blob."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.errors import InvalidArchive, TooLarge
from store.formats.tar.checker import TarCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.errors import StoreError
    from store.model.digests import DiffID, Digest


@final
class LayerCheck:
    """A `TarCheck` that keeps the first error as ``problem`` instead of raising it.

    Args:
        member: The layer's name, for errors.

    Attributes:
        problem: Why the bytes are not a layer; None if they are one so far.
        is_decoded: Whether all bytes were decoded, so that their digest is that of the whole layer.
    """

    def __init__(self, member: str) -> None:
        self.member = member
        self.problem: StoreError | None = None
        self.is_decoded = True
        self._check = TarCheck(member)

    def feed(self, piece: bytes) -> None:
        """Check the next bytes, unless there is a problem already."""
        if self.problem is None:
            try:
                self._check.feed(piece)
            except (InvalidArchive, TooLarge) as exc:
                self.problem = exc

    def guard(self, decoded: Iterator[bytes], take: Callable[[bytes], object]) -> bool:
        """Check decoded bytes; return whether the decoder succeeded.

        If the decoder failed, the bytes are not a layer, but they may be some other blob.

        Args:
            decoded: The bytes, as a decoder yields them.
            take: Called with each piece.
        """
        try:
            for piece in decoded:
                self.feed(piece)
                take(piece)
        except (InvalidArchive, TooLarge) as exc:
            self.fail(exc)
            return False
        return True

    def fail(self, problem: StoreError) -> None:
        """Keep the error of the decoder: the bytes after it were not decoded."""
        self.problem = problem
        self.is_decoded = False

    def finish(self) -> None:
        """Check the end of the layer."""
        if self.problem is None:
            try:
                self._check.finish()
            except (InvalidArchive, TooLarge) as exc:
                self.problem = exc


def fault_of(
    problem: StoreError | None, *, is_decoded: bool, got: Digest, wanted: DiffID, is_wanted: bool
) -> str | None:
    """Return how bytes differ from the layer that a config lists; None if they are that layer.

    Args:
        problem: Why the bytes are not a layer; None if they are one.
        is_decoded: Whether all bytes were decoded.
        got: The digest of the decoded bytes.
        wanted: The diff ID in the config.
        is_wanted: Whether the decoded bytes have the diff ID.
    """
    if problem is not None and not is_decoded:
        return f"does not decode: {problem.message}"
    if not is_wanted:
        return f"decodes to {got}, but the config has {wanted}"
    return None if problem is None else f"is not a layer: {problem.message}"
