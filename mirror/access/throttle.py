"""The limit of failed logins per client network, for all worker processes together.

The counts are in memory that the processes share, so a network has the same number of attempts with
any number of workers. The memory is allocated once, so that many networks cannot make it grow.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import mmap
import os
import struct
import tempfile
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BURST: Final = 20
"""How many logins may fail in a row before the network has to wait."""

REFILL_S: Final = 6.0
"""How long it takes until the network gets one more attempt."""

_BUCKETS: Final = 2048
_WAYS: Final = 8
"""Slots of a bucket; each network has one bucket."""

_SLOT: Final = struct.Struct("=Qd")
"""A network's mark (0 for a free slot), and the time at which it has all its attempts again."""

_BUCKET_BYTES: Final = _WAYS * _SLOT.size


@final
class LoginFailures:
    """The counts, in memory that forked processes share; create it before they are forked.

    Args:
        key: Makes the marks of networks, so that clients cannot find out which networks share a
            bucket and push out another one's count; None for a random key.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = os.urandom(32) if key is None else key
        self._memory = mmap.mmap(-1, _BUCKETS * _BUCKET_BYTES)
        # The kernel releases a file lock when its process ends in any way; a lock in memory would
        # stay for ever.
        self._lock = _anonymous_file()
        weakref.finalize(self, os.close, self._lock)

    def full_at(self, network: str) -> float:
        """Return the time at which a network has all its attempts again; 0 if it never failed.

        Args:
            network: The network, as `client_network` names it.
        """
        mark, bucket = self._find(network)
        return max(
            full_at for known, full_at in (*self._slots(bucket), (mark, 0.0)) if known == mark
        )

    def add(self, network: str, now: float, seconds: float) -> None:
        """Delay the time at which a network has all its attempts again.

        Args:
            network: The network, as `client_network` names it.
            now: The current time, in seconds.
            seconds: The delay.
        """
        mark, bucket = self._find(network)
        with self._locked():
            slots = list(self._slots(bucket))
            # A new network takes the slot of the one that waits least.
            slot = next((number for number, (known, _) in enumerate(slots) if known == mark), None)
            if slot is None:
                slot = min(range(_WAYS), key=lambda number: slots[number][1])
                slots[slot] = (mark, 0.0)
            _SLOT.pack_into(
                self._memory, bucket + slot * _SLOT.size, mark, max(slots[slot][1], now) + seconds
            )

    def _find(self, network: str) -> tuple[int, int]:
        """Return the mark of a network, and the offset of its bucket."""
        digest = hashlib.blake2b(
            network.encode("utf-8", "surrogateescape"), key=self._key, digest_size=16
        ).digest()
        return (
            int.from_bytes(digest[:8]) or 1,
            int.from_bytes(digest[8:]) % _BUCKETS * _BUCKET_BYTES,
        )

    def _slots(self, bucket: int) -> Iterator[tuple[int, float]]:
        return _SLOT.iter_unpack(self._memory[bucket : bucket + _BUCKET_BYTES])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from writing; each process calls this in one thread at a time."""
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("storectl-failures")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@final
class Throttle:
    """The limit of failed logins.

    Args:
        now: Returns seconds that never go back, the same in all processes.
        failures: The counts.
    """

    def __init__(self, now: Callable[[], float], failures: LoginFailures) -> None:
        self._now = now
        self._failures = failures

    def wait_s(self, address: str | None) -> float:
        """Return how long a client has to wait before it may try again, in seconds; 0 for now.

        Args:
            address: The client's address; None if it is unknown.
        """
        debt_s = self._failures.full_at(client_network(address)) - self._now()
        return max(0.0, debt_s - (BURST - 1) * REFILL_S)

    def failed(self, address: str | None) -> None:
        """Count a failed login.

        Args:
            address: The client's address; None if it is unknown.
        """
        self._failures.add(client_network(address), self._now(), REFILL_S)


def client_network(address: str | None) -> str:
    """Return the network whose failed logins count together.

    Args:
        address: The client's address; None if it is unknown.

    Returns:
        The IPv4 address, or the /64 network that one customer has in IPv6.
    """
    if address is None:
        return ""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
