"""The processor time that clients spend on decoded bytes that are not sent.

A layer in gzip has no index. So to send its last byte, the server decodes the whole layer, and a
client could have it decoded again and again. Each client has an account for this time. The client
pays only for bytes that are decoded and skipped. A download from the beginning is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Callable

BURST_S: Final = 30.0
"""The processor time that a client may spend at once, in seconds. One second decodes about 400 MB
of gzip."""

REFILL: Final = 0.1
"""The part of each second by which the account grows again."""


class Debts(Protocol):
    """The debts of clients, each as the time at which it is paid."""

    def get(self, name: bytes) -> float:
        """Return the time at which the debt of a client is paid; 0 if it has no debt."""

    def add(self, name: bytes, now: float, seconds: float) -> None:
        """Delay the time at which the debt of a client is paid."""


class DecodingRefusedError(Exception):
    """A client has to wait, because it has spent its processor time.

    Attributes:
        wait_s: How long the client has to wait, in seconds.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"the client has to wait {wait_s:.0f} s")
        self.wait_s = wait_s


@final
@dataclass(frozen=True, slots=True)
class DecodingAccount:
    """The account of one client.

    Attributes:
        debts: The debts of all clients.
        network: The client's network.
        now: Returns the time of a monotonic clock, in seconds.
    """

    debts: Debts
    network: str
    now: Callable[[], float]

    @property
    def _name(self) -> bytes:
        return self.network.encode("utf-8", "surrogateescape")

    def charge(self, processor_s: float) -> None:
        """Count processor time that was spent on skipped bytes, in seconds."""
        self.debts.add(self._name, self.now(), processor_s / REFILL)

    @property
    def wait_s(self) -> float:
        """How long the client has to wait before more bytes are skipped, in seconds."""
        debt_s = self.debts.get(self._name) - self.now()
        return max(0.0, debt_s - BURST_S / REFILL)
