"""Admission: how many connections one process has open, and which connection makes room.

Every connection needs a file descriptor, and every transfer needs more. Without a limit, idle
connections could use up all descriptors, and then no blob can be opened. So a process keeps enough
descriptors for the transfers of all its connections. When it has no room left for a new connection,
it closes a connection without a request: one of the network that has the most connections. A
connection that has never sent a request is closed first, then the one that has been idle longest.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Self, final

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 10_000
"""The number of connections of one process, if there are enough descriptors."""

RESERVED_DESCRIPTORS: Final = 64
"""Descriptors for the database, the log, the event loop and connections that are being closed."""

_DESCRIPTORS_PER_CONNECTION: Final = 4
"""The connection, its duplicate for ``sendfile``, and the files of a blob or an upload."""

_MIN_CONNECTIONS: Final = 8

MIN_AGE_S: Final = 0.5
"""How long a new connection has to send a request before it may be closed, in seconds."""

RECENT_S: Final = 5.0
"""How long an idle connection is spared while there are new connections, in seconds.

A client that is at work has connections that were idle for a shorter time.
"""

_MAX_TRIES: Final = 32
"""How many connections are checked to find one that may be closed."""

_LOG_INTERVAL_S: Final = 60.0


@final
@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections a process may have open.

    Attributes:
        total: The largest number of connections.
        share: The largest number of connections from one network.
    """

    total: int
    share: int

    @classmethod
    def of(cls, descriptors: int) -> Self:
        """Return the limits for a process.

        Args:
            descriptors: How many descriptors the process may have open (``RLIMIT_NOFILE``);
                negative for no limit.
        """
        room = (
            MAX_CONNECTIONS
            if descriptors < 0
            else (descriptors - RESERVED_DESCRIPTORS) // _DESCRIPTORS_PER_CONNECTION
        )
        total = max(_MIN_CONNECTIONS, min(MAX_CONNECTIONS, room))
        return cls(total, total * 3 // 4)


@final
class Slot:
    """The place of one connection in the limits of its process.

    Args:
        admission: The limits of the process.
        network: The network of the client.
        since: The time at which the connection was accepted, in seconds.

    Attributes:
        close: Closes the connection at once; set by the owner of the connection.
        since: The time since which the connection has had no request, in seconds.
        is_answering: Returns whether an answer is being sent; set by the owner of the connection.
    """

    __slots__ = ("_admission", "close", "is_answering", "network", "rank", "since")

    def __init__(self, admission: Admission, network: _Network, since: float) -> None:
        self._admission = admission
        self.since = since
        self.network: _Network | None = network
        self.rank: OrderedDict[Slot, None] | None = None
        self.close: Callable[[], object] = lambda: None
        self.is_answering: Callable[[], bool] = lambda: False

    def begin_request(self) -> None:
        """Keep the connection open, because its request has to be answered."""
        self._admission.rank(self, None)

    def end_request(self) -> None:
        """Mark the connection as idle: its request has been answered."""
        if self.network is not None:
            self.since = self._admission.clock()
            self._admission.rank(self, self.network.idle)

    def leave(self) -> None:
        """Free the slot: the connection is closed. Nothing happens if the slot is free already."""
        self._admission.leave(self)


@final
class _Network:
    """The connections of one network: all, those that never had a request, and idle ones."""

    __slots__ = ("count", "idle", "is_exempt", "name", "silent")

    def __init__(self, name: str, *, is_exempt: bool) -> None:
        self.name = name
        self.is_exempt = is_exempt
        self.count = 0
        self.silent: OrderedDict[Slot, None] = OrderedDict()
        self.idle: OrderedDict[Slot, None] = OrderedDict()

    def candidate(self, now: float) -> Slot | None:
        """Return the connection to close first; None if all have a request or are new."""
        for ranked, min_age_s in (
            (self.silent, MIN_AGE_S),
            (self.idle, RECENT_S if self.silent else 0.0),
        ):
            for slot in list(islice(ranked, _MAX_TRIES)):
                if now - slot.since < min_age_s:
                    break
                if not slot.is_answering():
                    return slot
                # The client is still reading an answer. Do not check it again at once.
                ranked.move_to_end(slot)
        return None


@final
class Admission:
    """The connections of one process, counted by network.

    Args:
        limits: The limits of the process.
        network_of: Returns the network of an address.
        is_exempt: Returns whether an address may have more connections than a network's share, such
            as a trusted proxy, whose connections belong to many clients.
        clock: Returns the time of a monotonic clock, in seconds.
        on_refused: Called for each connection that is refused or closed to make room.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        network_of: Callable[[str | None], str],
        is_exempt: Callable[[str | None], bool],
        clock: Callable[[], float],
        on_refused: Callable[[], object] = lambda: None,
    ) -> None:
        self.on_room: Callable[[], object] = lambda: None
        """Called when there may be room for a new connection again, after `has_room` was false."""
        self._limits = limits
        self._network_of = network_of
        self._is_exempt = is_exempt
        self.clock = clock
        self._on_refused = on_refused
        self._networks: dict[str, _Network] = {}
        self._count = 0
        self._is_waiting = False
        self._logged_at = float("-inf")
        self._unlogged = 0

    @property
    def count(self) -> int:
        """The number of open connections."""
        return self._count

    def has_room(self) -> bool:
        """Return whether a connection may be accepted.

        If not, `on_room` is called when a connection is closed or becomes idle. Besides, the caller
        should ask again after `MIN_AGE_S`.
        """
        now = self.clock()
        self._is_waiting = self._count >= self._limits.total and not any(
            network.candidate(now) for network in self._networks.values()
        )
        return not self._is_waiting

    def enter(self, address: str | None) -> Slot | None:
        """Return a slot for a new connection, which counts until `Slot.leave` is called.

        If all slots are taken, an idle connection is closed to free one.

        Args:
            address: The client's address; None if it is unknown.

        Returns:
            The slot; None if no connection can be closed to make room.
        """
        name = self._network_of(address)
        network = self._networks.get(name)
        if network is None:
            network = _Network(name, is_exempt=self._is_exempt(address))
        if not network.is_exempt and network.count >= self._limits.share:
            if not self._evict(network):
                self._refused(network)
                return None
        elif self._count >= self._limits.total and not self._evict_largest():
            self._refused(network)
            return None
        self._networks[name] = network
        slot = Slot(self, network, self.clock())
        network.count += 1
        self._count += 1
        self.rank(slot, network.silent)
        return slot

    def leave(self, slot: Slot) -> None:
        """Free a slot; only `Slot` calls this method."""
        network = slot.network
        if network is None:
            return
        self.rank(slot, None)
        slot.network = None
        network.count -= 1
        self._count -= 1
        if not network.count:
            self._networks.pop(network.name, None)
        if self._is_waiting:
            self._call_on_room()

    def rank(self, slot: Slot, ranked: OrderedDict[Slot, None] | None) -> None:
        """Move a slot to the end of a ranking, or of none; only `Slot` calls this method.

        Args:
            slot: The slot of an open connection.
            ranked: The connections that may be closed, first the one to close first; None for a
                connection that may not be closed.
        """
        if slot.rank is not None:
            del slot.rank[slot]
        slot.rank = ranked
        if ranked is not None:
            ranked[slot] = None
            if self._is_waiting:
                self._call_on_room()

    def _call_on_room(self) -> None:
        self._is_waiting = False
        self.on_room()

    def _evict_largest(self) -> bool:
        """Close a connection of the network with the most connections; return whether one was."""
        now = self.clock()
        found = [one for one in self._networks.values() if one.candidate(now)]
        # Connections of a trusted proxy belong to many clients.
        largest = max(found, key=lambda one: (not one.is_exempt, one.count), default=None)
        return largest is not None and self._evict(largest)

    def _evict(self, network: _Network) -> bool:
        slot = network.candidate(self.clock())
        if slot is None:
            return False
        self.leave(slot)
        slot.close()
        self._on_refused()
        return True

    def _refused(self, network: _Network) -> None:
        self._on_refused()
        self._unlogged += 1
        now = self.clock()
        if now - self._logged_at >= _LOG_INTERVAL_S:
            logger.warning(
                "refused connections=%d last_network=%s: this process may have %d connections, and"
                " %d from one network",
                self._unlogged,
                network.name or "unknown",
                self._limits.total,
                self._limits.share,
            )
            self._logged_at, self._unlogged = now, 0
