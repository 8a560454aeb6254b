"""The application: a store behind HTTP.

It opens no socket; `mirror.server` does, and tests drive it themselves.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror.access import Action, Failures
from mirror.access.origins import note, origin
from mirror.api import archives, blobs, lists, manifests, routes, token, uploads
from mirror.api import health as operations
from mirror.api.call import Call
from mirror.api.callers import identify
from mirror.api.routes import Resource
from mirror.connections.connection import answering
from mirror.connections.refusals import ALWAYS
from mirror.process.logs import NAMESPACE, RESOURCE, USER
from mirror.process.metrics import Metrics
from mirror.protocol.errors import WireError
from mirror.service import MirrorSettings, Service
from mirror.transfer.pools import Work
from mirror.variants import Variants
from store.errors import DamagedContent, StoreError, printable
from store.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mirror.access import Caller
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

_FOR_ANYBODY: Final[
    dict[Resource, Callable[[Service, web.Request], Awaitable[web.StreamResponse]]]
] = {
    Resource.HEALTHZ: operations.alive,
    Resource.READYZ: operations.ready,
    Resource.TOKEN: token.get,
}
_FOR_READERS: Final[
    dict[Resource, Callable[[Service, web.Request, Caller], Awaitable[web.StreamResponse]]]
] = {
    Resource.BASE: lists.base,
    Resource.CATALOG: lists.catalog,
    Resource.METRICS: operations.metrics,
}

_READING: Final = ("GET", "HEAD")
_POSTED: Final = (*_READING, "POST")
SERVICE: Final = web.AppKey("service", Service)


def make_app(
    store: Store,
    settings: MirrorSettings,
    *,
    cores: int,
    metrics: Metrics | None = None,
    failures: Failures | None = None,
) -> web.Application:
    """An application that serves ``store``; ``cores`` is how many it may keep busy.

    ``metrics`` are those of this process, ``failures`` those to log in.
    """
    counted = metrics or Metrics()
    registry = Registry(
        store,
        sparse=settings.sparse,
        max_uploads=settings.max_uploads,
        on_damage=lambda _: counted.happened("damaged_contents"),
    )
    offers = Variants(store, registry, settings.offers)
    service = Service(
        store,
        registry,
        settings,
        Work(cores=cores, give_back=settings.give_back),
        counted,
        offers,
        failures or Failures(),
    )
    app = web.Application(client_max_size=0)
    app[SERVICE] = service
    app.cleanup_ctx.append(_background)
    app.on_response_prepare.append(_head)

    async def answer(request: web.Request) -> web.StreamResponse:
        service.metrics.running(1)
        note(request, settings.proxies)
        try:
            return await _guarded(service, request)
        finally:
            service.metrics.running(-1)

    # One route for everything: what a path means is `mirror.api.routes`' to say, and cheaper to
    # find out there.
    app.router.add_route("*", r"/{path:[\s\S]*}", answer)
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    service = app[SERVICE]
    tasks = []
    if not service.read_only:
        tasks.append(asyncio.create_task(service.verify_images()))
        if service.settings.leads:
            tasks.append(asyncio.create_task(service.expire_uploads()))
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    service.work.close()


async def _route(service: Service, request: web.Request) -> web.StreamResponse:
    route = routes.parse(request.path)
    if route is None:
        raise WireError(404, "UNSUPPORTED", "there is nothing at this path")
    request[RESOURCE] = route.resource
    handler = _HANDLERS.get(route.resource)
    if handler is not None:
        return await _in_repository(service, request, route, handler)
    allowed = _POSTED if route.resource is Resource.TOKEN else _READING
    if request.method not in allowed:
        raise _not_allowed(request, allowed)
    if route.resource in _FOR_ANYBODY:
        return await _FOR_ANYBODY[route.resource](service, request)
    caller = await identify(service, request)
    if caller.user is not None:
        request[USER] = caller.user
    if route.resource is Resource.ARCHIVE:
        return await archives.get(service, request, caller, route.target)
    _admit(service, request, route, caller)
    return await _FOR_READERS[route.resource](service, request, caller)


def _admit(service: Service, request: web.Request, route: routes.Route, caller: Caller) -> None:
    if route.resource is Resource.BASE and caller.user is None and service.asks_first(request):
        raise WireError(401, "UNAUTHORIZED", "get a token first")
    if not service.access.admits(caller):
        raise (
            WireError(401, "UNAUTHORIZED", "log in first")
            if caller.user is None
            else WireError(403, "DENIED", f"{caller.user} may read nothing here")
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
        raise WireError(405, "UNSUPPORTED", "this registry is read-only")
    namespace = request.query.get("ns") if request.query_string else None
    repository = service.names.resolve(route.name, namespace)
    service.permit(caller, action, repository)
    if namespace:
        # Only what was found to be a registry's name is said again.
        request[NAMESPACE] = namespace
    return await handler(Call(service, request, repository, route.target, caller))


def _not_allowed(
    request: web.Request, methods: tuple[str, ...] | dict[str, tuple[Handler, Action]]
) -> WireError:
    return WireError(
        405,
        "UNSUPPORTED",
        f"{request.method[:20]} makes no sense here",
        headers={"Allow": ", ".join(methods)},
    )


async def _head(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says."""
    response.headers.update(ALWAYS)
    if NAMESPACE in request:
        response.headers["OCI-Namespace"] = request[NAMESPACE]


async def _guarded(service: Service, request: web.Request) -> web.StreamResponse:
    """Every error in the specification's words."""
    try:
        with answering(request):
            return await _route(service, request)
    except WireError as exc:
        return _answer(service, request, exc)
    except StoreError as exc:
        wire = WireError.of(exc)
        if wire.status in (500, 503, 507):
            logger.error(  # noqa: TRY400
                "%s %s: %s", request.method, request.rel_url.raw_path, printable(exc.message)
            )
        if isinstance(exc, DamagedContent):
            service.metrics.happened("damaged_contents")
        return _answer(service, request, wire)
    except (asyncio.CancelledError, web.HTTPException):
        raise
    except TimeoutError:
        return _answer(service, request, WireError(408, "UNKNOWN", "the body stopped coming"))
    except (ConnectionError, web.RequestPayloadError) as exc:
        logger.info("%s %s: the client has gone: %s", request.method, request.rel_url.raw_path, exc)
        answer = _answer(
            service, request, WireError(400, "UNKNOWN", "the request did not arrive whole")
        )
        # What comes behind such a body could not be told from the rest of it.
        answer.force_close()
        return answer
    except Exception:
        logger.exception("%s %s", request.method, request.rel_url.raw_path)
        return _answer(service, request, WireError(500, "UNKNOWN", "the registry failed"))


def _answer(service: Service, request: web.Request, error: WireError) -> web.StreamResponse:
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
