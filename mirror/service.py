"""The service: the store, registry and settings that the handlers of one process share."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

from mirror.access import Access, Authenticator
from mirror.access.challenge import Challenge, Scheme
from mirror.access.forwarded_requests import ForwardedRequests
from mirror.access.login_queue import LoginQueue
from mirror.jobs.expiry import expire
from mirror.jobs.leader import JobSettings, LeaderJobs, leader_jobs
from mirror.jobs.newcomers import Newcomers
from mirror.origin.cors import SharedOrigins
from mirror.origin.origins import origin
from mirror.origin.proxies import TrustedProxies
from mirror.origin.web_pages import Refusal, WebPages
from mirror.planning.archive_plans import ArchivePlans
from mirror.process.audit import AuditLog
from mirror.process.pull_log import PullLog
from mirror.protocol.errors import NOT_LOGGED_IN, Denial, WireError
from mirror.readiness import Readiness, check
from mirror.shared_times import SharedTimes
from mirror.transfer.document_memory import DocumentMemory
from mirror.transfer.input_memory import InputMemory
from mirror.transfer.threads import run
from mirror.verification import Verification
from store.errors import StoreError
from store.formats.distribution.errors import ErrorCode
from store.formats.distribution.names import Names
from store.model.platforms import DEFAULT, Platform
from store.model.remedies import Remedy
from store.registry.pulls import record_pulls
from store.registry.registry import Sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta

    from aiohttp import web

    from exporter import Layers
    from mirror.access import Action, Caller, LoginHistory
    from mirror.access.pattern import Pattern
    from mirror.process.metrics import Metrics
    from mirror.readiness import State
    from mirror.transfer.pools import Pools
    from mirror.variant_budget import Allowance
    from mirror.variants import Variants
    from remote.through.cache import PullThrough
    from store import Store
    from store.model.digests import ImageID
    from store.model.references import Repository
    from store.registry.pulls import Pull
    from store.registry.registry import Registry

logger = logging.getLogger(__name__)

MAX_UPLOADS: Final = 10_000
MAX_CLIENT_REQUESTS: Final = 1000
_MAX_QUOTED: Final = 160


class VariantEncoding(StrEnum):
    """The layer encodings in which the registry can offer variants of images."""

    ZSTD = "zstd"
    GZIP = "gzip"


@final
@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """The settings of a registry; times in seconds, sizes in bytes."""

    default_domain: str = "docker.io"
    access: Access = field(default_factory=Access)
    sparse: Sparse = Sparse.INDEXES
    scheme: Scheme = Scheme.BEARER
    """The scheme by which clients are asked to authenticate."""
    url: str | None = None
    """The server's URL for clients; None to use the ``Host`` header of each request."""
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    """The proxies whose headers about a request's origin are used."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names of the server, besides those of the loopback interface and of ``url``."""
    checks_hosts: bool = False
    """Whether to refuse requests for other host names, and all requests of other sites' pages."""
    shared_origins: SharedOrigins = field(default_factory=SharedOrigins)
    """The origins whose pages may read the registry."""
    advice: Mapping[Remedy, str] = field(default_factory=dict)
    """The words of the user interface for the remedies of refusals, for the server's operator."""
    variants: tuple[VariantEncoding, ...] = ()
    """The encodings of the variants that the registry offers."""
    machine: Platform = DEFAULT
    """The platform of archives if the request selects none."""
    body_timeout_s: float = 60.0
    """The longest pause of a client that sends a body."""
    body_rate: float = 500.0
    """The lowest average rate of a body after ``body_timeout_s``, in bytes per second."""
    max_uploads: int = MAX_UPLOADS
    """How many uploads may be in progress in the whole store; each user or address may have a
    hundredth of them, and at least 100.
    """
    max_client_requests: int = MAX_CLIENT_REQUESTS
    """How many requests of one client network, forwarded by trusted proxies, are answered at once
    by one process.
    """
    key: bytes = field(default_factory=lambda: os.urandom(32))
    """The key that signs tokens."""
    is_leader: bool = True
    """Whether this worker process is the leader, which runs the jobs that run once per server."""
    release_memory: Callable[[], None] | None = None
    """Returns unused memory to the operating system; None to keep it."""
    record_pulls: tuple[Pattern, ...] = ()
    """The patterns of the repositories whose pulls are recorded as events."""
    keep_events: int | None = None
    """How many events, changes of tags and imports are kept of each; None for the ceilings of a
    collection.
    """
    keep_events_for: timedelta | None = None
    """How long events, changes of tags and imports are kept; None for no limit."""
    jobs: JobSettings = field(default_factory=JobSettings)
    """What the leader does besides requests."""
    through: Callable[[Store], AbstractAsyncContextManager[PullThrough]] | None = None
    """Opens the upstream registries of a store; None for a registry without any."""
    decoding_debts: SharedTimes = field(default_factory=SharedTimes)
    """When each client network has paid for decoded bytes that were not sent to it."""


@final
class Service:
    """The shared state of the request handlers in one process.

    Args:
        store: The store that is served.
        registry: The registry's view of that store.
        settings: The settings of the registry.
        pools: The threads that run blocking calls.
        metrics: The counters of all worker processes.
        variants: The variants that the registry offers.
        history: The earlier logins, shared by all processes.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: MirrorSettings,
        pools: Pools,
        metrics: Metrics,
        variants: Variants,
        history: LoginHistory,
    ) -> None:
        self.store = store
        self.registry = registry
        self.settings = settings
        self.pools = pools
        self.metrics = metrics
        self.audit = AuditLog(metrics, time.monotonic)
        self.variants = variants
        self.names = Names(settings.default_domain)
        self.authenticator = Authenticator(
            settings.access, settings.key, time.time, time.monotonic, history
        )
        self.challenge = Challenge(settings.scheme, settings.url)
        self._web_pages = WebPages.of(
            settings.allowed_hosts,
            settings.url,
            is_strict=settings.checks_hosts,
        )
        self.logins = LoginQueue(self.authenticator, pools.compare_password, time.monotonic)
        """The passwords that wait to be compared."""
        self.through: PullThrough | None = None
        """The upstream registries, while the application runs; None if it has none."""
        self.pulls = (
            PullLog(settings.record_pulls, self._record_pulls, metrics, store.now)
            if settings.record_pulls and not store.read_only
            else None
        )
        """The pulls that are not recorded yet; None if no pulls are recorded."""
        self.forwarded = ForwardedRequests(settings.max_client_requests)
        self.documents = DocumentMemory()
        self.inputs = InputMemory()
        self._publishing: dict[tuple[Repository, str, Allowance | None], asyncio.Task[None]] = {}
        self.plans = ArchivePlans(store, pools)
        self.readiness = Readiness(self._check)
        self._verification = Verification(store, pools.reads, pools.verifiers)
        newcomers = Newcomers(store, pools.reads, self._verification.look)
        self.jobs = (
            leader_jobs(store, metrics, pools.scrubber, settings.jobs, newcomers)
            if settings.is_leader
            else LeaderJobs()
        )
        """What this process does besides requests."""

    def _check(self) -> State:
        state = check(self.store, self.registry, writes=not self.read_only)
        syncs = self.settings.jobs.syncs
        return state if syncs is None else replace(state, failing_syncs=syncs.failing(self.store))

    @property
    def access(self) -> Access:
        """The current permissions; they are replaced when their files change."""
        return self.authenticator.access

    @property
    def read_only(self) -> bool:
        """Whether the registry refuses every change."""
        return self.access.read_only or self.store.read_only

    def require_permission(self, caller: Caller, action: Action, repository: Repository) -> None:
        """Raise unless a caller may do ``action`` in a repository.

        Raises:
            WireError: The caller lacks the permission; an anonymous caller is asked to log in.
        """
        if self.access.allows(caller, action, repository):
            return
        reason = NOT_LOGGED_IN if caller.user is None else "no permission"
        denial = Denial(reason, action, str(repository))
        if not self.access.has_logins:
            # Nobody can log in, so a challenge would only confuse the client.
            raise WireError(
                403,
                ErrorCode.DENIED,
                self._with_advice(
                    "this registry has no users, so clients may only read", Remedy.OPEN_REGISTRY
                ),
                denial=replace(denial, reason="no users"),
            )
        error = WireError.forbidden(caller.user, action, self.names.spell(repository))
        error.denial = denial
        raise error

    def require_unchanged(
        self, credentials: bytes | None, caller: Caller, action: Action, repository: Repository
    ) -> None:
        """Raise if a caller has lost its permission, or its credentials, during a request.

        Args:
            credentials: The fingerprint of the caller at the start of the request.
            caller: The caller of the request.
            action: The action of the request.
            repository: The repository of the request.

        Raises:
            WireError: The caller has to log in again, or lacks the permission now.
        """
        if self.authenticator.fingerprint(caller.user) != credentials:
            raise WireError(
                401,
                ErrorCode.UNAUTHORIZED,
                "the credentials have changed during the request; log in again",
                denial=Denial("credentials have changed", action, str(repository)),
            )
        self.require_permission(caller, action, repository)

    def require_own_page(self, request: web.Request) -> None:
        """Raise if a web page may have sent a request without permission.

        Raises:
            WireError: The request names a host that is not this server, or comes from a page of a
                different site.
        """
        headers = request.headers
        if self._web_pages.is_harmless(
            request.method,
            headers.get("Host", ""),
            is_from_browser="Origin" in headers or "Sec-Fetch-Site" in headers,
        ):
            return
        called, sites = origin(request), headers.getall("Origin", ())
        refusal = self._web_pages.refusal(
            request.method,
            called,
            sites=sites,
            fetch_site=headers.get("Sec-Fetch-Site"),
            may_lack_host=request.version < (1, 1),
            is_link=headers.get("Sec-Fetch-Mode") == "navigate"
            and headers.get("Sec-Fetch-Dest") == "document",
            may_read=self.settings.shared_origins.may_read(sites),
        )
        if refusal is Refusal.FOREIGN_HOST:
            raise self._foreign_host(called.host)
        if refusal is Refusal.FOREIGN_ORIGIN:
            raise WireError(
                403,
                ErrorCode.DENIED,
                "this registry refuses requests from pages of other sites",
                denial=Denial("page of another site"),
            )

    def require_unbound_host(self, request: web.Request) -> None:
        """Raise if a page without credentials may have had its name rebound to this server.

        Args:
            request: A request of an anonymous client that changes something.

        Raises:
            WireError: A page has sent the request, under a name that may not be the server's.
        """
        sites = request.headers.getall("Origin", ())
        called = origin(request)
        if self._web_pages.may_be_rebound(called, sites):
            raise self._foreign_host(called.host)

    def _foreign_host(self, host: str) -> WireError:
        return WireError(
            421,
            ErrorCode.DENIED,
            self._with_advice(
                f"this registry does not serve the host {host[:_MAX_QUOTED]!r}", Remedy.ALLOW_HOST
            ),
            denial=Denial("foreign host"),
        )

    def _with_advice(self, fact: str, remedy: Remedy) -> str:
        words = self.settings.advice.get(remedy)
        return f"{fact}; {words}" if words else fact

    def needs_token_first(self, request: web.Request) -> bool:
        """Return whether an anonymous client has to request a token first.

        Clients learn the token endpoint only from the answer for ``/v2/``, so an anonymous client
        gets a challenge there. A token for anonymous callers gives the client the same permissions
        as no token.

        Args:
            request: A request for the base path, ``/v2/``.
        """
        return (
            self.access.has_logins
            and self.settings.scheme is Scheme.BEARER
            and "Authorization" not in request.headers
        )

    def location(self, repository: Repository, *parts: str) -> str:
        """Return the path of a manifest, blob or upload in a repository.

        Args:
            repository: The repository that the path begins with.
            parts: The parts of the path after the repository, such as ``blobs`` and a digest.
        """
        return "/".join(("/v2", self.names.spell(repository), *parts))

    def queue_verification(self, repository: Repository, image_id: ImageID) -> None:
        """Queue a pushed image for the verification of its layers in the background.

        Args:
            repository: The repository that received the image.
            image_id: The ID of the image.
        """
        self._verification.queue(str(repository), image_id)

    async def verify_images(self) -> None:
        """Verify queued images, until cancelled.

        The leader (`MirrorSettings.is_leader`) begins with the images that an earlier server left
        unverified, and goes on with those that other processes store. An image that stays
        unverified is verified when it is first needed.
        """
        await self._verification.run(resume=self.settings.is_leader)

    async def publish(
        self, repository: Repository, tag: str, allowance: Allowance | None = None
    ) -> None:
        """Publish the variant that a tag names, if the registry offers the variant.

        Concurrent requests for the same variant share the work.

        Args:
            repository: The repository of the original and the variant.
            tag: Any tag; a tag that does not name a variant is ignored.
            allowance: The budget of the client; None if the client's variants are not limited.

        Raises:
            BudgetSpent: The budget is too small now.
        """
        original = self.variants.original(tag)
        # Most requests are for variants that exist. They do not wait for the threads that compress.
        if original is None or not await self.pools.read(
            self.variants.is_outdated, repository, *original
        ):
            return
        key = (repository, tag, allowance)
        running = self._publishing.get(key)
        if running is None:
            running = asyncio.create_task(self._publish(repository, *original, allowance))
            self._publishing[key] = running

            def forget(done: asyncio.Task[None]) -> None:
                self._publishing.pop(key, None)
                # Perhaps no client waits for the result any more.
                if not done.cancelled():
                    done.exception()

            running.add_done_callback(forget)
        # Finish the variant even if this client disconnects: other clients may wait for it.
        await asyncio.shield(running)

    async def _publish(
        self, repository: Repository, tag: str, encoding: Layers, allowance: Allowance | None
    ) -> None:
        # Clients with a budget do not delay the variants of other clients.
        pool = self.pools.variants if allowance is None else self.pools.readers_variants
        try:
            for image_id in await run(
                pool, self.variants.publish, repository, tag, encoding, allowance
            ):
                self.queue_verification(repository, image_id)
        except StoreError as exc:
            logger.warning("cannot publish %s:%s as %s: %s", repository, tag, encoding, exc.message)

    async def expire(self) -> None:
        """Discard idle uploads, stray files and old history at intervals, until cancelled."""
        await expire(
            self.store,
            self.registry,
            self.pools,
            keep_events=self.settings.keep_events,
            keep_events_for=self.settings.keep_events_for,
        )

    async def _record_pulls(self, pulls: list[Pull]) -> None:
        await self.pools.write(record_pulls, self.store, pulls)
