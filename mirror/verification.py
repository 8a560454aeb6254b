"""The verification of pushed images in the background, fair to all repositories.

A client can push images whose layers take long to decode. Such images delay the images of other
clients and repositories by one turn at most, and a turn has a time limit. A client that pushes to
many repositories has the turns of one client.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from mirror.current_client import current_client
from mirror.fair_queue import FairQueue
from mirror.transfer.threads import run
from store.errors import StoreError
from store.model.contents import DiffState

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from store import Store
    from store.model.digests import ImageID

logger = logging.getLogger(__name__)

MAX_QUEUED: Final = 10_000
"""How many images may wait in one process. Images beyond this number wait in the database."""

TURN_S: Final = 10.0
"""How long the first attempt may decode the layers of an image, in seconds."""

LONG_TURN_S: Final = 600.0
"""How long the second attempt may decode the layers of an image, in seconds.

An image that takes longer stays unverified until it is needed, for example for a save.
"""

_PAGE: Final = 1000


@final
@dataclass(frozen=True, slots=True)
class _Job:
    repository: str
    image_id: ImageID
    networks: tuple[str, ...]
    """The networks of the client that pushed the image."""


@final
class _Lane:
    """A queue of images, and the time that each of them has."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.jobs: FairQueue[_Job] = FairQueue(MAX_QUEUED)
        self.queued: set[ImageID] = set()
        self.arrived = asyncio.Event()

    def put(self, job: _Job) -> bool:
        """Queue an image, unless it waits already; return whether all images have found room."""
        if job.image_id in self.queued:
            return True
        self.queued.add(job.image_id)
        dropped = self.jobs.put((*job.networks, job.repository), job)
        self.arrived.set()
        if dropped is None:
            return True
        self.queued.discard(dropped.image_id)
        return False

    async def next(self) -> _Job:
        """Wait for the image whose turn it is."""
        while (job := self.jobs.take()) is None:
            self.arrived.clear()
            await self.arrived.wait()
        self.queued.discard(job.image_id)
        return job


@final
class Verification:
    """Verifies pushed images; the networks of clients take turns, and so do repositories.

    Two images are decoded at once at most: one that has waited for its first attempt, and one that
    takes longer than `TURN_S`.

    Args:
        store: The store that holds the images.
        reads: The threads for questions to the catalogue.
        verifiers: The threads that decode layers, at least two.
        clock: Returns the time of a monotonic clock, in seconds.
    """

    def __init__(
        self,
        store: Store,
        reads: Executor,
        verifiers: Executor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._reads = reads
        self._verifiers = verifiers
        self._clock = clock
        self._first = _Lane(TURN_S)
        self._long = _Lane(LONG_TURN_S)
        self._is_stopping = False
        self._must_resume = False
        self._has_room = asyncio.Event()
        self._left: OrderedDict[ImageID, None] = OrderedDict()

    def queue(self, repository: str, image_id: ImageID) -> None:
        """Queue a pushed image.

        If the queue is full, an image of the client with most waiting images goes back to the
        database. It is queued again when the queue is shorter.

        Args:
            repository: The full name of the repository that received the image.
            image_id: The ID of the image.
        """
        if not self._first.put(_Job(repository, image_id, current_client().networks)):
            self._must_resume = True

    def look(self) -> None:
        """Queue what the database lists, except images that were left unverified before."""
        self._must_resume = True
        self._has_room.set()

    async def run(self, *, resume: bool) -> None:
        """Verify queued images, until cancelled.

        Args:
            resume: Whether to begin with the images that an earlier server left unverified.
        """
        self._must_resume = self._must_resume or resume
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._resume())
                tasks.create_task(self._serve(self._first))
                tasks.create_task(self._serve(self._long))
        finally:
            # The threads give up at their next chunk.
            self._is_stopping = True

    async def _resume(self) -> None:
        """Queue the images that the database lists, a page at a time, as long as there is room."""
        while True:
            while not self._must_resume:
                await self._wait_for_room()
            self._must_resume = False
            try:
                await self._queue_pages()
            except StoreError as exc:
                logger.warning("cannot list unverified images: %s", exc.message)

    async def _queue_pages(self) -> None:
        after: ImageID | None = None
        while page := await run(
            self._reads, self._store.unverified_images, after=after, limit=_PAGE
        ):
            for image_id, repository in page:
                if image_id not in self._left:
                    self.queue(repository, image_id)
            after = page[-1][0]
            while len(self._first.jobs) >= _PAGE:
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Wait until an image has left the first queue."""
        self._has_room.clear()
        await self._has_room.wait()

    def _leave(self, image_id: ImageID) -> None:
        """Note that an image stays unverified, so that it is not tried at each look."""
        self._left[image_id] = None
        self._left.move_to_end(image_id)
        while len(self._left) > MAX_QUEUED:
            self._left.popitem(last=False)

    async def _serve(self, lane: _Lane) -> None:
        while True:
            job = await lane.next()
            self._has_room.set()
            try:
                # The state is None if the image needs no verification.
                state, is_late = await self._verify(job.image_id, lane.seconds)
            except StoreError as exc:
                logger.warning("cannot verify image=%s: %s", job.image_id, exc.message)
                self._leave(job.image_id)
                continue
            except Exception:
                logger.exception("cannot verify image=%s", job.image_id)
                self._leave(job.image_id)
                continue
            if state is DiffState.UNVERIFIED:
                self._leave(job.image_id)
            if state is not DiffState.UNVERIFIED or not is_late:
                if state is not None:
                    level = logging.WARNING if state is DiffState.MISMATCH else logging.INFO
                    logger.log(level, "verified image=%s state=%s", job.image_id, state)
            elif lane is self._first:
                self._long.put(job)
            else:
                logger.warning(
                    "image=%s stays unverified: its layers take longer than %d s to decode",
                    *(job.image_id, lane.seconds),
                )

    async def _verify(self, image_id: ImageID, seconds: float) -> tuple[DiffState | None, bool]:
        """Return the state of an image, and whether its time was over."""
        ends_at = 0.0

        def is_stopped() -> bool:
            return self._is_stopping or self._clock() >= ends_at

        def verify() -> DiffState | None:
            nonlocal ends_at
            ends_at = self._clock() + seconds
            if not self._store.needs_verification(image_id):
                return None
            return self._store.verify_image(image_id, is_stopped=is_stopped)

        waiting = asyncio.ensure_future(run(self._verifiers, verify))
        try:
            state = await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self._is_stopping = True
            await asyncio.wait((waiting,))
            if isinstance(error := waiting.exception(), StoreError):
                logger.warning("cannot verify image=%s: %s", image_id, error.message)
            elif error is not None:
                logger.exception("cannot verify image=%s", image_id, exc_info=error)
            raise
        return state, self._clock() >= ends_at
