"""Sockets and signals: the only module that listens."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

import uvloop
from aiohttp import web

from mirror.access import AccessFiles
from mirror.app import SERVICE, make_app
from mirror.connection import Connection
from mirror.logs import access_logger, connections_logger
from mirror.metrics import Metrics
from mirror.receiving import READ_BYTES
from mirror.service import MirrorSettings
from mirror.watching import watch
from mirror.workers import ENDINGS, Workers
from store.errors import Unavailable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    from mirror.tls import Certificate
    from store import Store

logger = logging.getLogger(__name__)

KEEPALIVE_S: Final = 75.0
"""An idle connection is closed after so long; aiohttp's own default is an hour."""

_BACKLOG: Final = 1024
_FIELD_BYTES: Final = 32 * 1024
_LINE_BYTES: Final = 16 * 1024


@final
@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen; ``grace_s`` is how long running transfers may take to end when the server is told to stop."""

    host: str
    port: int
    certificate: Certificate | None = None
    workers: int = 1
    grace_s: float = 60.0
    access: AccessFiles = field(default_factory=AccessFiles)
    mirror: MirrorSettings = field(default_factory=MirrorSettings)
    hangup_ends: bool = False
    """Whether SIGHUP means that the terminal has gone, and not that files are to be read anew."""


def serve(open_store: Callable[[], Store], listening: Listening, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then let transfers finish.

    Args:
        open_store: Opens the store, in each worker process anew: connections do not survive a fork.
        listening: Where and how.
        on_ready: Told the address, when connections are accepted.

    Raises:
        Unavailable: The address cannot be had, or workers failed.
        InvalidInput: The certificate, the users or the rules are none.
    """
    listening = replace(listening, mirror=replace(listening.mirror, access=listening.access.load()))
    context = None if listening.certificate is None else listening.certificate.context()
    listener = _listen(listening.host, listening.port)
    _raise_limit()
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host

    def started() -> None:
        on_ready(f"{'http' if context is None else 'https'}://{shown}:{port}")
        _notify("READY=1")

    metrics = Metrics(listening.workers)
    with listener:
        if listening.workers == 1:
            _work(open_store, listening, listener, context, metrics, 0, started)
            return

        def work(number: int) -> None:
            _work(open_store, listening, listener, context, metrics, number)

        Workers(work, listening.workers, reloads=not listening.hangup_ends).run(started, lambda: _notify("STOPPING=1"))


def _listen(host: str, port: int) -> socket.socket:
    address = f"{host}:{port}"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise Unavailable(f"{address}: {exc.strerror or exc}", hint="--listen takes HOST:PORT") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise Unavailable(f"{address}: {exc.strerror or exc}", hint="another server may be listening there") from exc
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


def _raise_limit() -> None:
    """Every connection is a descriptor, and every transfer two more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _work(
    open_store: Callable[[], Store],
    listening: Listening,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    metrics: Metrics,
    number: int,
    started: Callable[[], None] | None = None,
) -> None:
    metrics.begin(number)
    settings = replace(listening.mirror, leads=number == 0)
    with open_store() as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(store, listening, settings, listener, context, metrics, started))


async def _run(
    store: Store,
    listening: Listening,
    settings: MirrorSettings,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    metrics: Metrics,
    started: Callable[[], None] | None,
) -> None:
    stop = asyncio.Event()
    watching, events = _watching(listening, context)

    def reload() -> None:
        for event in events:
            event.set()

    loop = asyncio.get_running_loop()
    for number in ENDINGS:
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, stop.set if listening.hangup_ends else reload)
    app = make_app(store, settings, cores=os.cpu_count() or 1, metrics=metrics)
    runner = web.AppRunner(
        app,
        logger=connections_logger(),
        access_log_class=access_logger(metrics),
        keepalive_timeout=KEEPALIVE_S,
        max_field_size=_FIELD_BYTES,
        max_line_size=_LINE_BYTES,
        auto_decompress=False,
        read_bufsize=READ_BYTES,
        shutdown_timeout=listening.grace_s,
    )
    await runner.setup()
    protocols = runner.server
    assert protocols is not None  # noqa: S101 - made by `setup`
    server = await loop.create_server(lambda: Connection(protocols()), sock=listener, ssl=context, backlog=_BACKLOG)
    tasks = [asyncio.create_task(one) for one in watching(app)]
    if started is not None:
        started()
    try:
        await stop.wait()
        logger.info("stopping: transfers may finish")
        if started is not None:
            _notify("STOPPING=1")
    finally:
        for task in tasks:
            task.cancel()
        server.close()
        await runner.cleanup()
        for number in (*ENDINGS, signal.SIGHUP):
            # Once is enough: another signal must not take what is left of the way out for a failure.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def _watching(
    listening: Listening, context: ssl.SSLContext | None
) -> tuple[Callable[[web.Application], list[Coroutine[None, None, None]]], list[asyncio.Event]]:
    """What makes the tasks that take over changed files, and what wakes them up."""
    events = [asyncio.Event(), asyncio.Event()]

    def make(app: web.Application) -> list[Coroutine[None, None, None]]:
        found = []
        certificate, files = listening.certificate, listening.access
        if context is not None and certificate is not None:
            found.append(watch("certificate", certificate.paths, lambda: certificate.renew(context), events[0]))
        if files.paths:

            def take_over() -> None:
                app[SERVICE].authenticator.access = files.load()

            found.append(watch("users and rules", files.paths, take_over, events[1]))
        return found

    return make, events


def _notify(state: str) -> None:
    """Tell systemd, when it has started us and wants to know (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())
