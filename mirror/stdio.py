"""One connection on standard input and output: the registry of a user who logs in with SSH.

There is no port and no login: the process has the rights of the user that started it, and ends when
its input ends. Before HTTP begins, it sends one line, by which the client knows that the program is
there, and that nothing else has written to standard output.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import uvloop
from aiohttp import web

from mirror.app import make_app
from mirror.connections.connection import BUFFER_BYTES, Connection
from mirror.connections.draining import POLL_INTERVAL_S
from mirror.connections.refusals import StrictRequestHandler
from mirror.process.logs import access_logger, connections_logger
from mirror.process.metrics import Metrics
from mirror.transfer.receiving import READ_BYTES
from store.formats.distribution.greeting import greeting
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirror.server import ServerSettings
    from store import Store

_INPUT: Final = 0
_OUTPUT: Final = 1
_ERRORS: Final = 2
_KEEPALIVE_S: Final = 24 * 3600.0
"""How long the connection may be idle: a new one may need the user's password."""


def serve_stdio(
    open_store: Callable[[], Store],
    settings: ServerSettings,
    prepare: Callable[[], None],
    *,
    version: str,
) -> None:
    """Serve one connection on standard input and output, until the input ends.

    Args:
        open_store: Opens the store.
        settings: The settings; the address and everything about logins are not used.
        prepare: Called once before the store is opened.
        version: The version of the program, for the first line.

    Raises:
        StoreError: The store cannot be opened.
    """
    prepare()
    with (
        open_store() as store,
        _channel() as channel,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(store, settings, channel, version))


async def _serve(
    store: Store, settings: ServerSettings, channel: socket.socket, version: str
) -> None:
    loop = asyncio.get_running_loop()
    access = replace(settings.access, anonymous_read=True, anonymous_write=True).load()
    mirror = replace(settings.mirror, access=access, is_leader=False, checks_hosts=False)
    metrics = Metrics()
    app = make_app(store, mirror, cores=os.cpu_count() or 1, metrics=metrics)
    runner = web.AppRunner(app, shutdown_timeout=POLL_INTERVAL_S)
    await runner.setup()
    protocols = runner.server
    assert protocols is not None  # noqa: S101 - made by `setup`
    connections: set[Connection] = set()
    protocol = StrictRequestHandler(
        protocols,
        loop=loop,
        logger=connections_logger(),
        access_log_class=access_logger(metrics),
        keepalive_timeout=_KEEPALIVE_S,
        auto_decompress=False,
        read_bufsize=READ_BYTES,
    )
    buffer = memoryview(bytearray(BUFFER_BYTES))
    try:
        await loop.sock_sendall(channel, greeting(version))
        await loop.connect_accepted_socket(
            lambda: Connection(protocol, connections, buffer), channel
        )
        while connections:  # noqa: ASYNC110 - the connection has no event for its end
            await asyncio.sleep(POLL_INTERVAL_S)
    except (BrokenPipeError, ConnectionResetError):
        # The client has gone before the first request.
        return
    finally:
        await runner.cleanup()


def _channel() -> socket.socket:
    """Return a socket that stands for standard input and output.

    Afterwards nothing can write to standard output by mistake: it leads to standard error.
    """
    source, target = os.dup(_INPUT), os.dup(_OUTPUT)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), _INPUT)
    os.dup2(_ERRORS, _OUTPUT)
    one, other = os.fstat(source), os.fstat(target)
    if stat.S_ISSOCK(one.st_mode) and os.path.samestat(one, other):
        # sshd gives its programs one socket for both.
        os.close(target)
        channel = socket.socket(fileno=source)
        channel.setblocking(False)  # noqa: FBT003 - the standard library's signature
        return channel
    inner, channel = socket.socketpair()
    for work, arguments in ((_pass_in, (source, inner)), (_pass_out, (inner, target))):
        threading.Thread(target=work, args=arguments, name="stdio", daemon=True).start()
    channel.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return channel


def _pass_in(source: int, inner: socket.socket) -> None:
    """Pass on what arrives on standard input; at its end, end the requests."""
    with suppress(OSError):
        while data := os.read(source, MIB):
            inner.sendall(data)
    with suppress(OSError):
        inner.shutdown(socket.SHUT_WR)


def _pass_out(inner: socket.socket, target: int) -> None:
    """Pass the answers on to standard output; when nobody reads them, end the requests."""
    try:
        while data := inner.recv(MIB):
            view = memoryview(data)
            while view:
                view = view[os.write(target, view) :]
    except OSError:
        with suppress(OSError):
            inner.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(target)
