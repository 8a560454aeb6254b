"""The application: a store behind HTTP. It opens no socket; `mirror.server` does, and tests drive it themselves."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror import routes
from mirror.access import Access, Action, Caller
from mirror.connection import Connection
from mirror.handlers import blobs, health, lists, manifests, uploads
from mirror.handlers.call import Call
from mirror.routes import Resource
from mirror.service import MirrorSettings, Service
from mirror.wire_errors import WireError
from mirror.work import Work, run
from store.errors import StoreError
from store.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from store import Store

    Handler = Callable[[Call], Awaitable[web.StreamResponse]]

logger = logging.getLogger(__name__)

EXPIRE_EVERY_S: Final = 3600.0

_HANDLERS: Final[dict[Resource, dict[str, tuple[Handler, Action]]]] = {
    Resource.MANIFEST: {
        "GET": (manifests.get, Action.READ),
        "HEAD": (manifests.get, Action.READ),
        "PUT": (manifests.put, Action.WRITE),
        "DELETE": (manifests.delete, Action.DELETE),
    },
    Resource.BLOB: {"GET": (blobs.get, Action.READ), "HEAD": (blobs.get, Action.READ), "DELETE": (blobs.delete, Action.DELETE)},
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

_NAMESPACE: Final = web.RequestKey("namespace", str)
SERVICE: Final = web.AppKey("service", Service)


def make_app(store: Store, settings: MirrorSettings, *, cores: int) -> web.Application:
    """An application that serves ``store``; ``cores`` is how many it may keep busy."""
    registry = Registry(store, sparse=settings.sparse)
    service = Service(store, registry, settings, Work(cores=cores))
    app = web.Application(client_max_size=0, middlewares=[_errors])
    app[SERVICE] = service
    app.cleanup_ctx.append(_background)
    app.on_response_prepare.append(_head)

    async def alive(_request: web.Request) -> web.StreamResponse:
        return await health.alive()

    async def ready(_request: web.Request) -> web.StreamResponse:
        return await health.ready(service)

    async def base(request: web.Request) -> web.StreamResponse:
        return await _dispatch(service, request)

    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_route("*", r"/v2{rest:[\s\S]*}", base)
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    service = app[SERVICE]
    tasks = []
    if not service.store.read_only:
        tasks = [asyncio.create_task(service.verify_images()), asyncio.create_task(service.expire_uploads(EXPIRE_EVERY_S))]
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    service.work.close()


async def _dispatch(service: Service, request: web.Request) -> web.StreamResponse:
    rest = request.match_info["rest"]
    if rest and not rest.startswith("/"):
        raise WireError(404, "UNSUPPORTED", "no such page")
    route = routes.parse(rest.removeprefix("/"))
    if route is None:
        raise WireError(404, "UNSUPPORTED", "the registry has nothing at this path")
    caller = await _caller(service, request)
    if route.resource in (Resource.BASE, Resource.CATALOG):
        if request.method not in ("GET", "HEAD"):
            raise WireError(405, "UNSUPPORTED", f"{request.method} makes no sense here", headers={"Allow": "GET, HEAD"})
        _permit(service.settings.access, caller, Action.READ)
        if route.resource is Resource.CATALOG:
            return await lists.catalog(service, request)
        return web.Response(body=b"{}\n", content_type="application/json")
    methods = _HANDLERS[route.resource]
    if request.method not in methods:
        raise WireError(405, "UNSUPPORTED", f"{request.method} makes no sense here", headers={"Allow": ", ".join(methods)})
    handler, action = methods[request.method]
    if action is not Action.READ and (service.settings.access.read_only or service.store.read_only):
        raise WireError(405, "UNSUPPORTED", "this registry is read-only")
    namespace = request.query.get("ns")
    repository = service.names.resolve(route.name, namespace)
    _permit(service.settings.access, caller, action)
    if namespace:
        # Only what was found to be a registry's name is said again.
        request[_NAMESPACE] = namespace
    return await handler(Call(service, request, repository, route.target, caller))


async def _head(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says."""
    response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if _NAMESPACE in request:
        response.headers["OCI-Namespace"] = request[_NAMESPACE]


async def _caller(service: Service, request: web.Request) -> Caller:
    access = service.settings.access
    authorization = request.headers.get("Authorization")
    if not access.users:
        return Caller()
    caller = await run(service.work.passwords, access.caller, authorization)
    if caller is None:
        raise _challenge("wrong user or password")
    return caller


def _permit(access: Access, caller: Caller, action: Action) -> None:
    if not access.allows(caller, action):
        raise _challenge("log in first") if caller.user is None else WireError(403, "DENIED", f"{caller.user} may not {action} here")


def _challenge(message: str) -> WireError:
    return WireError(401, "UNAUTHORIZED", message, headers={"WWW-Authenticate": 'Basic realm="storectl", charset="UTF-8"'})


@web.middleware
async def _errors(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Every error in the specification's words."""
    connection = None if request.transport is None else request.transport.get_protocol()
    try:
        with connection.answering(request) if isinstance(connection, Connection) else nullcontext():
            return await handler(request)
    except WireError as exc:
        return _answer(exc)
    except StoreError as exc:
        wire = WireError.of(exc)
        if wire.status >= 500:  # noqa: PLR2004 - ours, and not the client's
            logger.error("%s %s: %s", request.method, request.path, exc.message)  # noqa: TRY400 - what is wrong is known, a traceback would say nothing
        return _answer(wire)
    except (asyncio.CancelledError, web.HTTPException):
        raise
    except (ConnectionError, TimeoutError, web.RequestPayloadError) as exc:
        logger.info("%s %s: the client has gone: %s", request.method, request.path, exc)
        return _answer(WireError(400, "UNKNOWN", "the request did not arrive whole"))
    except Exception:
        logger.exception("%s %s", request.method, request.path)
        return _answer(WireError(500, "UNKNOWN", "the registry failed"))


def _answer(error: WireError) -> web.StreamResponse:
    return web.Response(status=error.status, body=error.body, headers=error.headers, content_type="application/json")
