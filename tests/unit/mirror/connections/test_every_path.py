from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from mirror.connections.every_path import EveryPath


async def answer(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


async def no_expectation(_: web.Request) -> None:
    return None


@pytest.fixture
def app() -> web.Application:
    made = web.Application()
    made.router.register_resource(EveryPath(answer, no_expectation))
    return made


def ask(app: web.Application, *requests: web.Request) -> list[web.StreamResponse]:
    async def run() -> list[web.StreamResponse]:
        return [await app._handle(one) for one in requests]

    return asyncio.run(run())


@pytest.mark.parametrize("path", ["/", "/v2/", "/v2/a/b/manifests/1?ns=x", "/a%2Fb//", "/{path}"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "BREW"])
def test_every_path_and_method_reaches_the_handler(
    app: web.Application, path: str, method: str
) -> None:
    requests = [make_mocked_request(method, path), make_mocked_request(method, "/other")]
    found = ask(app, *requests)
    assert [one.text for one in found if isinstance(one, web.Response)] == [
        requests[0].path,
        "/other",
    ]
    assert all(one.app is app for one in requests)


def test_a_target_that_is_not_a_path_is_not_found(app: web.Application) -> None:
    with pytest.raises(web.HTTPNotFound):
        ask(app, make_mocked_request("OPTIONS", "*"))
