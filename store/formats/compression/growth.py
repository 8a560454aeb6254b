"""Ceilings for the growth of data while it is decoded, also of data inside decoded data."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.errors import CorruptStream, TooLarge, TruncatedInput, printable
from store.model.limits import MIB
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from store.model.limits import Limits


@final
class Outermost:
    """Counts of an input and of everything that is decoded inside the input. Threads may share it.

    An archive can be compressed, and its members can be sparse and hold compressed layers. Then
    each decoder by itself keeps its ratio, but the ratios multiply. An archive can also hold
    thousands of tiny layers, each of which decodes to `Ratio.free_bytes`. So decoders of layers
    also add their bytes to this count, and compare the count with the bytes of the input.

    Args:
        read_bytes: The number of bytes of the input that are counted from the beginning, such as
            the size of a file.

    Attributes:
        read_bytes: The number of bytes of the input that have been read.
    """

    def __init__(self, read_bytes: int = 0) -> None:
        self.read_bytes = read_bytes
        self._decoded_bytes = 0
        self._lock = threading.Lock()

    def note_read(self, size_bytes: int) -> None:
        """Count bytes of the input that have been read."""
        with self._lock:
            self.read_bytes += size_bytes

    def add(self, size_bytes: int) -> int:
        """Count decoded bytes, and return the number of all bytes decoded so far."""
        with self._lock:
            self._decoded_bytes += size_bytes
            return self._decoded_bytes


@final
@dataclass(frozen=True, slots=True)
class Ratio:
    """A ceiling for the ratio of decoded to encoded bytes.

    Attributes:
        limit: The most decoded bytes for each encoded byte.
        free_bytes: The number of decoded bytes up to which the ratio is not checked.
        outermost: The counts of the input around the data, to which the same ratio applies; None
            if there is no such input.
    """

    limit: int
    free_bytes: int
    outermost: Outermost | None = None

    def allows(self, decoded_bytes: int, encoded_bytes: int) -> bool:
        """Return whether so many encoded bytes may decode to so many bytes."""
        return decoded_bytes <= max(self.free_bytes, self.limit * encoded_bytes)


def ratio_of(limits: Limits, outermost: Outermost | None = None) -> Ratio:
    """Return the ceiling for the growth of data when it is decoded.

    Args:
        limits: Hold the ceiling.
        outermost: The counts of the input around the data; None if there is no such input.
    """
    return Ratio(limits.ratio, limits.free_bytes, outermost)


@final
class OutputCeiling:
    """A counter of the bytes that a decoder yields. It also makes the decoder's errors.

    Args:
        max_bytes: The most bytes that the decoder may yield.
        piece_bytes: The most bytes that the decoder may yield in one piece.
        member: The name of the archive member with the data; None if there is no member.
        ratio: How much larger the decoded data may be; None for no limit.
    """

    def __init__(
        self, max_bytes: int, piece_bytes: int, member: str | None, ratio: Ratio | None
    ) -> None:
        self._max_bytes = max_bytes
        self._piece_bytes = piece_bytes
        self._left = max_bytes
        self._member = member
        self._ratio = ratio
        self._fed = 0

    @property
    def piece_bytes(self) -> int:
        """How many bytes to ask a library for: at most one more than the ceiling allows."""
        return min(self._piece_bytes, self._left + 1)

    def feed(self, data: bytes | memoryview) -> None:
        """Count encoded bytes."""
        self._fed += len(data)

    def count(self, piece: bytes) -> bytes:
        """Count ``piece`` and return it.

        Raises:
            TooLarge: The decoded total is above the ceiling, or too large for the encoded bytes.
        """
        self._left -= len(piece)
        if self._ratio is not None:
            self._require_ratio(self._ratio, len(piece))
        if self._left < 0:
            raise TooLarge(
                f"the data{self._of()} decodes to more than {self._max_bytes} bytes",
                limit=self._max_bytes,
                remedy=None if self._member is None else Remedy.RAISE_LAYER_LIMIT,
            )
        return piece

    def _require_ratio(self, ratio: Ratio, new_bytes: int) -> None:
        decoded = self._max_bytes - self._left
        if not ratio.allows(decoded, self._fed):
            raise _too_much_growth(f"the data{self._of()}", decoded, self._fed, ratio)
        outermost = ratio.outermost
        if outermost is not None:
            total = outermost.add(new_bytes)
            if not ratio.allows(total, outermost.read_bytes):
                raise _too_much_growth(
                    "the data of all members", total, outermost.read_bytes, ratio
                )

    def too_much_memory(self, codec: str, limit: int) -> TooLarge:
        """Return the error for data that needs more memory to decode than ``limit`` bytes."""
        return TooLarge(
            f"the {codec} data{self._of()} needs more than {limit // MIB} MiB of memory to decode",
            limit=limit,
            hint="compress the data again with a smaller window or dictionary",
        )

    def corrupt(self, codec: str, why: str) -> CorruptStream:
        """Return the error for data that fails its own checks."""
        return CorruptStream(f"corrupt {codec} data {self._after()}: {why}", member=self._member)

    def truncated(self, codec: str) -> TruncatedInput:
        """Return the error for data that ends early."""
        return TruncatedInput(f"the {codec} data ends early, {self._after()}", member=self._member)

    def _after(self) -> str:
        """Return after how many decoded bytes an error occurred, as text for a message.

        The position in the encoded data is unknown, because the libraries buffer their input.
        """
        return f"after {self._max_bytes - self._left} decoded bytes"

    def _of(self) -> str:
        return f" of member {printable(self._member)!r}" if self._member is not None else ""


def _too_much_growth(what: str, decoded: int, encoded: int, ratio: Ratio) -> TooLarge:
    return TooLarge(
        f"{what} decodes to {decoded} bytes after {encoded} bytes of input: the limit is"
        f" {ratio.limit} : 1",
        limit=ratio.limit,
        remedy=Remedy.RAISE_RATIO_LIMIT,
    )
