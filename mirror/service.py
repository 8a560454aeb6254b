"""What the handlers of one server process share."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from mirror.access import Access
from mirror.registry.names import Names
from mirror.work import run
from store.errors import StoreError
from store.registry import Sparse

if TYPE_CHECKING:
    from mirror.work import Work
    from store import Store
    from store.references import Repository
    from store.registry import Registry
    from store.values import ImageID

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """How a registry behaves; times in seconds, sizes in bytes."""

    default_domain: str = "docker.io"
    access: Access = field(default_factory=Access)
    sparse: Sparse = Sparse.INDEXES
    body_timeout_s: float = 60.0
    """A client that sends no byte of a body for so long is gone."""


@final
class Service:
    """One store behind HTTP."""

    def __init__(self, store: Store, registry: Registry, settings: MirrorSettings, work: Work) -> None:
        self.store = store
        self.registry = registry
        self.settings = settings
        self.work = work
        self.names = Names(settings.default_domain)
        self._unseen: asyncio.Queue[ImageID] = asyncio.Queue()

    def location(self, repository: Repository, *parts: str) -> str:
        """The path of something in a repository."""
        return "/".join(("/v2", self.names.spell(repository), *parts))

    def look_into(self, image_id: ImageID) -> None:
        """Have a pushed image's layers verified, when there is time."""
        self._unseen.put_nowait(image_id)

    async def verify_images(self) -> None:
        """Verify what was pushed, one image after another, until cancelled. What is left undone is done when somebody needs it."""
        while True:
            image_id = await self._unseen.get()
            try:
                state = await run(self.work.hashers, self.store.verify_image, image_id)
                logger.info("verified image=%s state=%s", image_id, state)
            except StoreError as exc:
                logger.warning("could not verify image=%s: %s", image_id, exc.message)

    async def expire_uploads(self, every_s: float) -> None:
        """Give up idle uploads now and then, until cancelled."""
        while True:
            try:
                gone = await self.work.write(self.registry.uploads.expire)
                if gone:
                    logger.info("expired uploads=%d", gone)
            except StoreError as exc:
                logger.warning("could not expire uploads: %s", exc.message)
            await asyncio.sleep(every_s)
