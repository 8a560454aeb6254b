"""The application: it routes requests to handlers, and turns errors into answers.

The application opens no socket: `mirror.server` or a test passes requests to the application.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror.access import Action, LoginHistory
from mirror.access.throttle import client_network, client_networks
from mirror.api import archives, blobs, health, lists, manifests, routes, token, uploads
from mirror.api.call import Call
from mirror.api.callers import identify
from mirror.api.routes import Resource
from mirror.connections import expectation
from mirror.connections.connection import connection_of
from mirror.connections.every_path import EveryPath
from mirror.connections.refusals import COMMON_HEADERS
from mirror.current_client import Client, set_current_client
from mirror.origin.origins import address, note_origin, origin
from mirror.process.logs import NAMESPACE, RESOURCE, USER
from mirror.process.metrics import Metrics
from mirror.protocol.errors import NOT_LOGGED_IN, Denial, WireError
from mirror.service import MirrorSettings, Service
from mirror.transfer.pools import Pools
from mirror.variants import Variants
from store.errors import DamagedContent, StoreError, printable
from store.files.system_limits import limit_reached
from store.formats.distribution.errors import ErrorCode
from store.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mirror.access import Caller
    from mirror.shared_times import SharedTimes
    from remote.through.cache import PullThrough
    from store import Store

    Handler = Callable[[Call], Awaitable[web.StreamResponse]]

logger = logging.getLogger(__name__)

_HANDLERS: Final[dict[Resource, dict[str, tuple[Handler, Action]]]] = {
    Resource.MANIFEST: {
        "GET": (manifests.get, Action.READ),
        "HEAD": (manifests.get, Action.READ),
        "PUT": (manifests.put, Action.WRITE),
        "DELETE": (manifests.delete, Action.DELETE),
    },
    Resource.BLOB: {
        "GET": (blobs.get, Action.READ),
        "HEAD": (blobs.get, Action.READ),
        "DELETE": (blobs.delete, Action.DELETE),
    },
    Resource.UPLOADS: {"POST": (uploads.begin, Action.WRITE)},
    Resource.UPLOAD: {
        "GET": (uploads.status, Action.WRITE),
        "PATCH": (uploads.append, Action.WRITE),
        "PUT": (uploads.finish, Action.WRITE),
        "DELETE": (uploads.cancel, Action.WRITE),
    },
    Resource.TAGS: {"GET": (lists.tags, Action.READ)},
    Resource.REFERRERS: {"GET": (lists.referrers, Action.READ)},
}

_PUBLIC: Final[dict[Resource, Callable[[Service, web.Request], Awaitable[web.StreamResponse]]]] = {
    Resource.HEALTHZ: health.alive,
    Resource.READYZ: health.ready,
    Resource.TOKEN: token.get,
}
_FOR_READERS: Final[
    dict[Resource, Callable[[Service, web.Request, Caller], Awaitable[web.StreamResponse]]]
] = {
    Resource.BASE: lists.base,
    Resource.CATALOG: lists.catalog,
    Resource.METRICS: health.metrics,
}

_PROBES: Final = frozenset({Resource.HEALTHZ, Resource.READYZ})
"""The resources that answer under every host name: health checks use the server's address."""

_READ_METHODS: Final = ("GET", "HEAD")
_TOKEN_METHODS: Final = (*_READ_METHODS, "POST")
_SERVER_FAILURES: Final = frozenset({500, 503, 507})
_RETRY_S: Final = 5
"""How long a client is asked to wait if too many of its requests are running, in seconds."""
_SHARE_INTERVAL_S: Final = 1.0
_MAX_QUOTED: Final = 20
_MAX_QUOTED_PATH: Final = 160
SERVICE: Final = web.AppKey("service", Service)


def make_app(
    store: Store,
    settings: MirrorSettings,
    *,
    cores: int,
    metrics: Metrics | None = None,
    history: LoginHistory | None = None,
    variant_times: SharedTimes | None = None,
) -> web.Application:
    """Return an application that serves a store.

    Args:
        store: The store, open as long as the application runs.
        settings: The settings of the registry.
        cores: How many processor cores the application may keep busy.
        metrics: The counters of all processes; None for new counters of this process alone.
        history: The earlier logins of all processes; None for the logins of this process alone.
        variant_times: The budgets of variants of all processes; None for budgets of this process
            alone.
    """
    counters = metrics or Metrics()
    registry = Registry(
        store,
        sparse=settings.sparse,
        max_uploads=settings.max_uploads,
        limits=store.decoding.limits,
        on_damage=lambda _: counters.count_event("damaged_contents"),
    )
    variants = Variants(store, registry, settings.variants, variant_times)
    service = Service(
        store,
        registry,
        settings,
        Pools(cores=cores, release_memory=settings.release_memory),
        counters,
        variants,
        history or LoginHistory(),
    )
    app = web.Application(client_max_size=0)
    app[SERVICE] = service
    app.cleanup_ctx.append(_background)
    app.on_response_prepare.append(_add_common_headers)
    if not settings.shared_origins.is_empty:
        app.on_response_prepare.append(_share)

    async def answer(request: web.Request) -> web.StreamResponse:
        note_origin(request, settings.proxies)
        set_current_client(
            Client(client_networks(address(request)), lambda: request.transport is None)
        )
        connection = connection_of(request)
        service.metrics.add_running(1)
        if connection is not None:
            connection.begin_answer(request)
        try:
            return await _answer_or_error(service, request)
        finally:
            if connection is not None:
                connection.end_answer()
            service.metrics.add_running(-1)

    app.router.register_resource(EveryPath(answer, expectation.check))
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    service = app[SERVICE]
    tasks = []
    if not service.read_only:
        tasks.append(asyncio.create_task(service.verify_images()))
        if service.settings.is_leader:
            tasks.append(asyncio.create_task(service.expire()))
    service.jobs.start()
    pulls = None if service.pulls is None else asyncio.create_task(service.pulls.run())
    async with AsyncExitStack() as opened:
        if service.settings.through is not None:
            upstream = service.settings.through(service.store)
            service.through = await opened.enter_async_context(upstream)
            tasks.append(asyncio.create_task(_share_counts(service.through, service.metrics)))
        yield
    if service.pulls is not None and pulls is not None:
        service.pulls.end()
        await pulls
    await service.jobs.close()
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await service.plans.close()
    service.logins.close()
    service.pools.close()


async def _share_counts(through: PullThrough, metrics: Metrics) -> None:
    """Let all processes report the counters of this one, until cancelled."""
    # This process may replace one that has died.
    through.counts.add(metrics.shared())
    while True:
        metrics.share(through.counts.dump())
        await asyncio.sleep(_SHARE_INTERVAL_S)


async def _route(service: Service, request: web.Request) -> web.StreamResponse:
    route = routes.parse(request.path)
    if route is None or route.resource not in _PROBES:
        service.require_own_page(request)
    permission = service.settings.shared_origins.preflight_headers(
        request.method,
        request.headers.getall("Origin", ()),
        request.headers.get("Access-Control-Request-Method"),
    )
    if permission is not None:
        return web.Response(status=204, headers=permission)
    if route is None:
        raise WireError(
            404, ErrorCode.UNSUPPORTED, f"unknown endpoint: {request.path[:_MAX_QUOTED_PATH]}"
        )
    request[RESOURCE] = route.resource
    handler = _HANDLERS.get(route.resource)
    if handler is not None:
        return await _in_repository(service, request, route, handler)
    allowed = _TOKEN_METHODS if route.resource is Resource.TOKEN else _READ_METHODS
    if request.method not in allowed:
        raise _not_allowed(request, allowed)
    if route.resource in _PUBLIC:
        return await _PUBLIC[route.resource](service, request)
    caller = await identify(service, request)
    if caller.user is not None:
        request[USER] = caller.user
    if route.resource is Resource.ARCHIVE:
        return await archives.get(service, request, caller, route.target)
    _require_reader(service, request, route, caller)
    return await _FOR_READERS[route.resource](service, request, caller)


def _require_reader(
    service: Service, request: web.Request, route: routes.Route, caller: Caller
) -> None:
    if (
        route.resource is Resource.BASE
        and caller.user is None
        and service.needs_token_first(request)
    ):
        raise WireError(401, ErrorCode.UNAUTHORIZED, "request a token first")
    if not service.access.may_read_somewhere(caller):
        raise (
            WireError(
                401, ErrorCode.UNAUTHORIZED, "log in first", denial=Denial(NOT_LOGGED_IN, "read")
            )
            if caller.user is None
            else WireError(
                403,
                ErrorCode.DENIED,
                f"{caller.user} may not read any repository",
                denial=Denial("no permission", "read"),
            )
        )


async def _in_repository(
    service: Service,
    request: web.Request,
    route: routes.Route,
    methods: dict[str, tuple[Handler, Action]],
) -> web.StreamResponse:
    if request.method not in methods:
        raise _not_allowed(request, methods)
    handler, action = methods[request.method]
    caller = await identify(service, request)
    if caller.user is not None:
        request[USER] = caller.user
    if action is not Action.READ and service.read_only:
        raise WireError(405, ErrorCode.UNSUPPORTED, "this registry is read-only")
    namespace = request.query.get("ns") if request.query_string else None
    repository = service.names.resolve(route.name, namespace)
    service.require_permission(caller, action, repository)
    if action is not Action.READ and caller.user is None:
        service.require_unbound_host(request)
    if namespace:
        # The answer repeats only a valid registry name.
        request[NAMESPACE] = namespace
    return await handler(Call(service, request, repository, route.target, caller))


def _not_allowed(
    request: web.Request, methods: tuple[str, ...] | dict[str, tuple[Handler, Action]]
) -> WireError:
    return WireError(
        405,
        ErrorCode.UNSUPPORTED,
        f"method {request.method[:_MAX_QUOTED]} is not supported at this path",
        headers={"Allow": ", ".join(methods)},
    )


async def _add_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(COMMON_HEADERS)
    if NAMESPACE in request:
        response.headers["OCI-Namespace"] = request[NAMESPACE]


async def _share(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of another origin read an answer, also an error, if the operator permits it."""
    origins = request.app[SERVICE].settings.shared_origins
    response.headers.update(origins.answer_headers(request.headers.getall("Origin", ())))


async def _route_counted(service: Service, request: web.Request) -> web.StreamResponse:
    """Route a request; count it towards the limit of its client if a proxy has forwarded it."""
    if not service.settings.proxies.trusts(request.remote):
        # `mirror.connections.admission` counts the connections of this client.
        return await _route(service, request)
    network = client_network(address(request))
    if not service.forwarded.begin(network):
        raise WireError(
            429,
            ErrorCode.TOOMANYREQUESTS,
            "too many requests of this address are running",
            headers={"Retry-After": str(_RETRY_S)},
        )
    try:
        return await _route(service, request)
    finally:
        service.forwarded.end(network)


async def _answer_or_error(service: Service, request: web.Request) -> web.StreamResponse:
    """Answer a request; turn every error into an answer in the form of the specification."""
    try:
        return await _route_counted(service, request)
    except WireError as exc:
        service.audit.denied(request, exc)
        return _error(service, request, exc)
    except StoreError as exc:
        error = WireError.of(exc)
        if error.status in _SERVER_FAILURES:
            logger.error(  # noqa: TRY400
                "%s %s: %s", request.method, request.rel_url.raw_path, printable(exc.message)
            )
        if isinstance(exc, DamagedContent):
            service.metrics.count_event("damaged_contents")
        return _error(service, request, error)
    except (asyncio.CancelledError, web.HTTPException):
        raise
    except TimeoutError:
        return _error(
            service,
            request,
            WireError(408, ErrorCode.UNKNOWN, "the request body did not arrive in time"),
        )
    except (ConnectionError, web.RequestPayloadError) as exc:
        logger.info(
            "%s %s: the client disconnected: %s", request.method, request.rel_url.raw_path, exc
        )
        answer = _error(
            service, request, WireError(400, ErrorCode.UNKNOWN, "incomplete request body")
        )
        # The rest of this body could be mistaken for the next request.
        answer.force_close()
        return answer
    except Exception as exc:
        lack = limit_reached(exc)
        where = f"{request.method} {request.rel_url.raw_path}"
        if lack is None:
            logger.exception("%s", where)
            error = WireError(500, ErrorCode.UNKNOWN, "the registry failed")
        else:
            logger.error("%s: %s", where, lack.message)  # noqa: TRY400 - the reason is known
            error = WireError.of(lack)
        return _error(service, request, error)


def _error(service: Service, request: web.Request, error: WireError) -> web.StreamResponse:
    headers = error.headers
    if error.status == 401 and "WWW-Authenticate" not in headers:  # noqa: PLR2004 - Unauthorized
        called = origin(request)
        headers = {
            **headers,
            "WWW-Authenticate": service.challenge.header(
                secure=called.secure, host=called.host, scope=error.scope
            ),
        }
    return web.Response(
        status=error.status, body=error.body, headers=headers, content_type="application/json"
    )
