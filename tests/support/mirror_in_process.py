"""The mirror's application in this process, on an event loop in its own thread.

Tests send their requests over a socket.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from mirror.app import make_app
from mirror.connections.refusals import StrictRequestHandler
from mirror.server import KEEPALIVE_S
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mirror.service import MirrorSettings
    from store import Store


class Answer:
    """The status, headers and body of an answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the answer's first error."""
        code: str = self.json["errors"][0]["code"]
        return code


class InProcessMirror:
    """A running application; it closes connections without a request for ``keepalive_s``."""

    def __init__(
        self,
        store: Store,
        settings: MirrorSettings,
        loop_factory: Callable[[], asyncio.AbstractEventLoop],
        *,
        keepalive_s: float = KEEPALIVE_S,
    ) -> None:
        self._loop = loop_factory()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._runner = web.AppRunner(make_app(store, settings, cores=2), shutdown_timeout=2)
        self._keepalive_s = keepalive_s
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(PATIENCE_S)

    async def _start(self) -> int:
        await self._runner.setup()
        manager = self._runner.server
        assert manager is not None
        protocol = partial(
            StrictRequestHandler,
            manager,
            loop=self._loop,
            auto_decompress=False,
            keepalive_timeout=self._keepalive_s,
        )
        self._server = await self._loop.create_server(protocol, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """The number of connections that are open or have an unfinished request."""
        return 0 if self._runner.server is None else len(self._runner.server.connections)

    def call_soon(self, call: Callable[[], object]) -> None:
        """Schedule ``call`` in the event loop, without waiting for its end."""
        self._loop.call_soon_threadsafe(call)

    def abort(self) -> None:
        """Close every connection at once; call this only in the event loop."""
        server = self._runner.server
        for connection in () if server is None else server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def end(self) -> None:
        """Shut down as the server does: finish the requests that have begun.

        Raises:
            TimeoutError: The requests do not finish in time.
        """
        self._loop.call_soon_threadsafe(self._server.close)
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request and return the answer; ``If_None_Match`` sets the header If-None-Match."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, _named(headers))
            with connection.getresponse() as response:
                return Answer(response)
        finally:
            connection.close()


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
