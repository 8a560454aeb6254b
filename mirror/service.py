"""What the handlers of one server process share."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

from mirror.access import Access, Authenticator
from mirror.access.challenge import Challenge, Scheme
from mirror.access.proxies import TrustedProxies
from mirror.protocol.errors import WireError
from mirror.protocol.names import Names
from mirror.transfer.threads import run
from store.errors import StoreError
from store.model.platforms import DEFAULT, Platform
from store.registry.registry import Sparse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from exporter import Layers
    from mirror.access import Action, Caller, Failures
    from mirror.process.metrics import Metrics
    from mirror.transfer.pools import Work
    from mirror.variants import Variants
    from store import Store
    from store.model.digests import ImageID
    from store.model.references import Repository
    from store.registry.registry import Registry

logger = logging.getLogger(__name__)

MAX_UPLOADS: Final = 10_000
_BACKLOG_EVERY_S: Final = 3600.0


class Offer(StrEnum):
    """Encodings of layers in which images are published beside what they are."""

    ZSTD = "zstd"
    GZIP = "gzip"


@final
@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """How a registry behaves; times in seconds, sizes in bytes."""

    default_domain: str = "docker.io"
    access: Access = field(default_factory=Access)
    sparse: Sparse = Sparse.INDEXES
    scheme: Scheme = Scheme.BEARER
    """How clients are asked to say who they are."""
    url: str | None = None
    """What clients call this server, where that is not what they send as ``Host``."""
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    """Who is believed about where requests come from."""
    offers: tuple[Offer, ...] = ()
    machine: Platform = DEFAULT
    """The platform of archives for which none was asked."""
    body_timeout_s: float = 60.0
    """A client that sends no byte of a body for so long is gone."""
    body_rate: float = 500.0
    """Bytes a second that a body has to bring on average, once ``body_timeout_s`` is over."""
    max_uploads: int = MAX_UPLOADS
    """So many uploads may be in progress at once, in the whole store."""
    key: bytes = field(default_factory=lambda: os.urandom(32))
    """Signs tokens."""
    leads: bool = True
    """Whether this process does what only one of several has to."""
    give_back: Callable[[], None] | None = None
    """Gives the system memory that is no longer used."""


@final
class Service:
    """One store behind HTTP."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: MirrorSettings,
        work: Work,
        metrics: Metrics,
        offers: Variants,
        failures: Failures,
    ) -> None:
        self.store = store
        self.registry = registry
        self.settings = settings
        self.work = work
        self.metrics = metrics
        self.offers = offers
        self.names = Names(settings.default_domain)
        self.authenticator = Authenticator(
            settings.access, settings.key, time.time, time.monotonic, failures
        )
        self.challenge = Challenge(settings.scheme, settings.url)
        self.comparing = 0
        """Passwords that wait to be compared."""
        self._publishing: dict[tuple[Repository, str], asyncio.Task[None]] = {}
        self._unseen: asyncio.Queue[ImageID] = asyncio.Queue()

    @property
    def access(self) -> Access:
        """What is allowed, as of now: the files it comes from may change while the server runs."""
        return self.authenticator.access

    @property
    def read_only(self) -> bool:
        """Whether nothing can be changed."""
        return self.access.read_only or self.store.read_only

    def permit(self, caller: Caller, action: Action, repository: Repository) -> None:
        """Let the caller do this there. Raises WireError."""
        if not self.access.allows(caller, action, repository):
            raise WireError.forbidden(caller.user, action, self.names.spell(repository))

    def asks_first(self, request: web.Request) -> bool:
        """Whether somebody without a name has to get a token before anything else, so that clients learn where: they ask at one place only.

        With such a token, anybody's, they go on as before.
        """
        return (
            not self.access.is_open
            and self.settings.scheme is Scheme.BEARER
            and "Authorization" not in request.headers
        )

    def location(self, repository: Repository, *parts: str) -> str:
        """The path of something in a repository."""
        return "/".join(("/v2", self.names.spell(repository), *parts))

    def look_into(self, image_id: ImageID) -> None:
        """Have a pushed image's layers verified, when there is time."""
        self._unseen.put_nowait(image_id)

    async def verify_images(self) -> None:
        """Verify what was pushed, one image after another, until cancelled.

        First what an earlier server left. What is left undone is done at first need.
        """
        if self.settings.leads:
            try:
                for image_id in await self.work.read(self.registry.unverified_images):
                    self.look_into(image_id)
            except StoreError as exc:
                logger.warning("could not list unverified images: %s", exc.message)
        while True:
            image_id = await self._unseen.get()
            try:
                state = await run(self.work.hashers, self.store.verify_image, image_id)
                logger.info("verified image=%s state=%s", image_id, state)
            except StoreError as exc:
                logger.warning("could not verify image=%s: %s", image_id, exc.message)

    async def publish(self, repository: Repository, name: str) -> None:
        """Make the variant that ``name`` is, when it is one that is offered.

        Whoever asks for the same meanwhile waits for it too.
        """
        wanted = self.offers.original(name)
        if wanted is None:
            return
        key = (repository, name)
        running = self._publishing.get(key)
        if running is None:
            running = asyncio.create_task(self._publish(repository, *wanted))
            self._publishing[key] = running
            running.add_done_callback(lambda _: self._publishing.pop(key, None))
        # A client that goes away does not end it: it was not the only one, or will not be the last.
        await asyncio.shield(running)

    async def _publish(self, repository: Repository, tag: str, encoding: Layers) -> None:
        try:
            for image_id in await run(
                self.work.offers, self.offers.publish, repository, tag, encoding
            ):
                self.look_into(image_id)
        except StoreError as exc:
            logger.warning(
                "could not publish %s:%s as %s: %s", repository, tag, encoding, exc.message
            )

    async def expire_uploads(self, every_s: float = _BACKLOG_EVERY_S) -> None:
        """Give up idle uploads now and then, until cancelled."""
        while True:
            try:
                gone = await self.work.write(self.registry.uploads.expire)
                if gone:
                    logger.info("expired uploads=%d", gone)
            except StoreError as exc:
                logger.warning("could not expire uploads: %s", exc.message)
            await asyncio.sleep(every_s)
