"""The limit of failed logins per client network, for all worker processes together.

The processes share the memory of the counts, so a network has the same number of attempts with
any number of workers. The memory is allocated once, so it does not grow with the number of
networks.
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
"""How long a network has to wait for each further attempt, in seconds."""

_BUCKETS: Final = 2048
_WAYS: Final = 8
"""The number of slots in a bucket. The hash of a network selects its bucket."""

_SLOT: Final = struct.Struct("=Qd")
"""A network's mark (0 for a free slot), and the time at which all its attempts are restored."""

_BUCKET_BYTES: Final = _WAYS * _SLOT.size


@final
class LoginFailures:
    """Counts of failed logins, in memory that worker processes share.

    Create the counts before the processes are forked.

    Args:
        key: The key of the hash that turns a network into a mark and a bucket. Clients must not
            know the key: otherwise a client could replace another network's count in the same
            bucket. None for a random key.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = os.urandom(32) if key is None else key
        self._memory = mmap.mmap(-1, _BUCKETS * _BUCKET_BYTES)
        # The kernel releases a file lock whenever its process ends; a lock in memory would be held
        # for ever.
        self._lock = _anonymous_file()
        weakref.finalize(self, os.close, self._lock)

    def full_at(self, network: str) -> float:
        """Return the time at which all attempts of a network are restored.

        Args:
            network: The network, as `client_network` returns it.

        Returns:
            The time on the clock of `add`; 0 if no failed login of the network is counted.
        """
        mark, bucket = self._find(network)
        return max(
            full_at for known, full_at in (*self._slots(bucket), (mark, 0.0)) if known == mark
        )

    def add(self, network: str, now: float, seconds: float) -> None:
        """Delay the time at which all attempts of a network are restored.

        Args:
            network: The network, as `client_network` returns it.
            now: The current time, in seconds.
            seconds: The delay, in seconds.
        """
        mark, bucket = self._find(network)
        with self._locked():
            slots = list(self._slots(bucket))
            # A new network replaces the network whose attempts are restored first.
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
        """Lock the counts against other processes.

        Each process may use the lock in only one thread at a time.
        """
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
    """The limit of failed logins from one network.

    Args:
        now: Returns the time of a monotonic clock that all processes share, in seconds.
        failures: The counts of failed logins, shared by all processes.
    """

    def __init__(self, now: Callable[[], float], failures: LoginFailures) -> None:
        self._now = now
        self._failures = failures

    def wait_s(self, address: str | None) -> float:
        """Return how long a client has to wait before its next attempt, in seconds; 0 for no wait.

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
    """Return the network whose failed logins are counted together.

    Args:
        address: The client's address; None if it is unknown.

    Returns:
        The IPv4 address, or the IPv6 network with a prefix of 64 bits, which usually belongs to one
        customer; empty if the address is unknown.
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
