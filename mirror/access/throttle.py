"""LoginFailures to log in, counted by where they come from, for all worker processes together.

The counts lie in memory that the processes share: however many of them there are, and whichever
takes a connection, a place has as many attempts as it would have with one. Memory is set aside
once, so that no crowd of places makes it grow.
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
"""So many failures in a row cost nothing but themselves."""

REFILL_S: Final = 6.0
"""Then one more is allowed after so long."""

_BUCKETS: Final = 2048
_WAYS: Final = 8
"""A place is looked for in one bucket only, which has room for so many."""

_SLOT: Final = struct.Struct("=Qd")
"""The mark of a place (0 for none), and when it has as many attempts left as ever: the later, the fewer it has left."""

_BUCKET_BYTES: Final = _WAYS * _SLOT.size


@final
class LoginFailures:
    """The counts, in memory. Made before the processes that share it are forked.

    ``key`` marks places: nobody else can find out which of them share a bucket, and push another's
    count out.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = os.urandom(32) if key is None else key
        self._memory = mmap.mmap(-1, _BUCKETS * _BUCKET_BYTES)
        # The kernel's lock on a file goes with the process that holds it, however that ends: a lock
        # in memory would stay for ever.
        self._lock = _nameless_file()
        weakref.finalize(self, os.close, self._lock)

    def full_at(self, place: str) -> float:
        """What was written down for a place; 0 when nothing was."""
        mark, bucket = self._find(place)
        return max(
            full_at for known, full_at in (*self._slots(bucket), (mark, 0.0)) if known == mark
        )

    def add(self, place: str, now: float, seconds: float) -> None:
        """The place has its attempts back so much later than it would have."""
        mark, bucket = self._find(place)
        with self._alone():
            slots = list(self._slots(bucket))
            # Who is not known yet takes the place of who owes least.
            slot = next((number for number, (known, _) in enumerate(slots) if known == mark), None)
            if slot is None:
                slot = min(range(_WAYS), key=lambda number: slots[number][1])
                slots[slot] = (mark, 0.0)
            _SLOT.pack_into(
                self._memory, bucket + slot * _SLOT.size, mark, max(slots[slot][1], now) + seconds
            )

    def _find(self, place: str) -> tuple[int, int]:
        """The mark of a place, and where its bucket begins."""
        digest = hashlib.blake2b(
            place.encode("utf-8", "surrogateescape"), key=self._key, digest_size=16
        ).digest()
        return (
            int.from_bytes(digest[:8]) or 1,
            int.from_bytes(digest[8:]) % _BUCKETS * _BUCKET_BYTES,
        )

    def _slots(self, bucket: int) -> Iterator[tuple[int, float]]:
        return _SLOT.iter_unpack(self._memory[bucket : bucket + _BUCKET_BYTES])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process writes meanwhile; in this one, one thread at a time does."""
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("storectl-failures")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@final
class Throttle:
    """How often each place may still fail.

    ``now`` gives seconds that never go back, the same in all processes.
    """

    def __init__(self, now: Callable[[], float], failures: LoginFailures) -> None:
        self._now = now
        self._failures = failures

    def wait_s(self, address: str | None) -> float:
        """How long this place has to wait before it may try again; 0 when it may now."""
        debt_s = self._failures.full_at(client_network(address)) - self._now()
        return max(0.0, debt_s - (BURST - 1) * REFILL_S)

    def failed(self, address: str | None) -> None:
        """Somebody there has failed."""
        self._failures.add(client_network(address), self._now(), REFILL_S)


def client_network(address: str | None) -> str:
    """One IPv4 address, or the network of 64 bits that one customer has in IPv6."""
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
