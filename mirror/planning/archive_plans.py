"""The plans of archives: made in turns, and kept for a while for the next range.

Planning an archive is the most work that a short request can cause. So each client makes one plan
at a time, a plan ends when its client leaves, and the threads that plan share one core. Clients ask
for an archive several times, as HEAD, GET and ranges. So a plan is kept for a few seconds after its
last use, together with the lease on its content.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias, final

from exporter import open_save
from exporter.output.tar_range import identity
from exporter.save import names_version
from mirror.planning.departure import run_until_left
from mirror.planning.time_slices import TimeSlices
from mirror.planning.turns import Busy, Turns
from mirror.transfer.threads import run
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable
    from contextlib import AbstractContextManager

    from exporter import Export
    from mirror.access import Access, Caller
    from mirror.planning.departure import Departure
    from mirror.protocol.archive_request import ArchiveRequest
    from mirror.transfer.pools import Pools
    from store import Store
    from store.model.limits import ArchiveLimits

logger = logging.getLogger(__name__)

RUNNING: Final = 4
"""How many plans are made at the same time, each for a different client."""

WAITING: Final = 64
WAITING_EACH: Final = 8
"""How many requests may wait for a plan, in all and from one client."""

KEPT_S: Final = 10.0
"""How long a plan is kept after its last use, in seconds."""

OLDEST_S: Final = 60.0
"""How long a plan is given to new requests, in seconds."""

MEMORY_BYTES: Final = 128 * MIB
"""The memory of all plans of one process, in use and kept."""

_Key: TypeAlias = "tuple[Hashable, ...]"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A caller with the permissions of one moment. Plans are shared between equal readers.

    Attributes:
        caller: The caller.
        access: The permissions; they are replaced as a whole when their files change.
    """

    caller: Caller
    access: Access

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Reader)
            and self.caller == other.caller
            and self.access is other.access
        )

    def __hash__(self) -> int:
        return hash((self.caller, id(self.access)))


@final
@dataclass(frozen=True, slots=True)
class Planning:
    """A request for a plan.

    Attributes:
        archive: The images and options, which include the permissions of the reader.
        client: The user or the network that asks; has one plan made at a time.
        reader: The reader of the archive.
        ceilings: What the archive may contain.
    """

    archive: ArchiveRequest
    client: str
    reader: Reader
    ceilings: ArchiveLimits


@final
class PlannedArchive:
    """A plan with its lease.

    Attributes:
        export: The planned archive.
        tag: A hash of the archive's bytes.
    """

    def __init__(
        self, export: Export, tag: str, opened: AbstractContextManager[Export], made_at: float
    ) -> None:
        self.export = export
        self.tag = tag
        self.made_at = made_at
        self.memory_bytes = export.memory_bytes
        self.users = 0
        self.expiry: asyncio.TimerHandle | None = None
        self._opened = opened

    def close(self) -> None:
        """End the lease."""
        self._opened.__exit__(None, None, None)


@final
class ArchivePlans:
    """The plans of one process.

    Args:
        store: The store that is served.
        pools: The threads.
        clock: Returns the time of a monotonic clock, in seconds.
        memory_bytes: The memory of all plans.
    """

    def __init__(
        self,
        store: Store,
        pools: Pools,
        *,
        clock: Callable[[], float] = time.monotonic,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._store = store
        self._pools = pools
        self._clock = clock
        self._max_bytes = memory_bytes
        self._used_bytes = 0
        self._turns = Turns(RUNNING, waiting=WAITING, waiting_each=WAITING_EACH)
        self._slices = TimeSlices()
        self._kept: OrderedDict[_Key, PlannedArchive] = OrderedDict()
        self._closing: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def use(self, planning: Planning, departure: Departure) -> AsyncIterator[PlannedArchive]:
        """Make a plan, or take one that is kept; keep it until the block ends, and a little longer.

        Args:
            planning: The archive, and the client that asks for it.
            departure: Ends the planning when the client leaves.

        Raises:
            Busy: Too many requests wait, or the plans in use take all memory.
            ClientLeft: The client has left.
            StoreError: The images cannot be saved.
        """
        key, planned = await self._find(planning)
        if planned is None:
            async with self._turns.turn(planning.client, departure):
                # An equal request of this client may have been served while this one waited.
                key, planned = await self._find(planning)
                if planned is None:
                    planned = await self._make(planning, departure)
                    self._keep(key, planned)
        planned.users += 1
        if planned.expiry is not None:
            planned.expiry.cancel()
            planned.expiry = None
        try:
            yield planned
        finally:
            planned.users -= 1
            if not planned.users:
                self._release(key, planned)

    async def _find(self, planning: Planning) -> tuple[_Key, PlannedArchive | None]:
        version = await self._pools.read(names_version, self._store)
        archive = planning.archive
        # The reader stands for the function that says what it may read: each request has its own.
        options = replace(archive.options, may_read=None)
        key = (planning.reader, archive.names, options, planning.ceilings, version)
        planned = self._kept.get(key)
        if planned is not None and self._clock() - planned.made_at > OLDEST_S:
            self._drop(key)
            planned = None
        if planned is not None:
            self._kept.move_to_end(key)
        return key, planned

    async def _make(self, planning: Planning, departure: Departure) -> PlannedArchive:
        def plan() -> PlannedArchive:
            with self._slices.turn(departure.check) as check:
                opened = open_save(
                    self._store,
                    planning.archive.arguments,
                    options=planning.archive.options,
                    record=False,
                    check=check,
                    ceilings=planning.ceilings,
                    check_layers=False,
                )
                export = opened.__enter__()
                try:
                    tag = identity(export.plan, check)
                    return PlannedArchive(export, tag, opened, self._clock())
                except BaseException:
                    opened.__exit__(None, None, None)
                    raise

        return await run_until_left(
            self._pools.planners, departure, plan, lambda planned: planned.close()
        )

    def _keep(self, key: _Key, planned: PlannedArchive) -> None:
        for other, one in list(self._kept.items()):
            if self._used_bytes + planned.memory_bytes <= self._max_bytes:
                break
            if not one.users:
                self._drop(other)
        if self._used_bytes and self._used_bytes + planned.memory_bytes > self._max_bytes:
            self._close(planned)
            raise Busy(of_client=False)
        self._used_bytes += planned.memory_bytes
        replaced = self._kept.pop(key, None)
        if replaced is not None and not replaced.users:
            self._forget(replaced)
        self._kept[key] = planned

    def _release(self, key: _Key, planned: PlannedArchive) -> None:
        if self._kept.get(key) is not planned:
            self._forget(planned)
            return
        planned.expiry = asyncio.get_running_loop().call_later(KEPT_S, self._drop, key)

    def _drop(self, key: _Key) -> None:
        planned = self._kept.pop(key)
        if not planned.users:
            self._forget(planned)

    def _forget(self, planned: PlannedArchive) -> None:
        if planned.expiry is not None:
            planned.expiry.cancel()
        self._used_bytes -= planned.memory_bytes
        self._close(planned)

    def _close(self, planned: PlannedArchive) -> None:
        closing = asyncio.ensure_future(run(self._pools.planners, planned.close))
        self._closing.add(closing)
        closing.add_done_callback(self._closed)

    def _closed(self, closing: asyncio.Future[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and closing.exception() is not None:
            logger.warning("cannot end the lease of an archive: %s", closing.exception())

    async def close(self) -> None:
        """End the leases of all plans; call this when no request uses a plan."""
        for key in list(self._kept):
            self._drop(key)
        while self._closing:
            await asyncio.wait(self._closing)
