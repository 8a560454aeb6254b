"""Sockets and signals: the only module that listens."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import resource
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, final

import uvloop
from aiohttp import web

from mirror.access import AccessFiles, Failures
from mirror.app import SERVICE, make_app
from mirror.connections.connection import BUFFER_BYTES, Connection
from mirror.connections.draining import SOON_S, end
from mirror.connections.listener import BACKLOG, Listener
from mirror.connections.refusals import StrictRequestHandler
from mirror.connections.stalled_clients import cut_off_stalled
from mirror.process.logs import access_logger, connections_logger
from mirror.process.metrics import Metrics
from mirror.process.reloading import EVERY_S, Reloadable, watch
from mirror.process.workers import ENDINGS, HANDLED, Workers
from mirror.service import MirrorSettings
from mirror.transfer.receiving import READ_BYTES
from store.errors import PermissionDenied, Unavailable
from store.model.remedies import Remedy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterator

    from mirror.access import Access
    from mirror.connections.tls import Certificate
    from store import Store

logger = logging.getLogger(__name__)

KEEPALIVE_S: Final = 75.0
"""An idle connection is closed after so long; aiohttp's own default is an hour."""

_HINTS: Final = {
    errno.EADDRINUSE: "another server is listening there",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address",
    errno.EACCES: "ports below 1024 are for root, or for who has CAP_NET_BIND_SERVICE",
}


@final
@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen.

    ``grace_s`` is how long running transfers may take to end when the server is told to stop.
    """

    host: str
    port: int
    certificate: Certificate | None = None
    workers: int = 1
    grace_s: float = 60.0
    access: AccessFiles = field(default_factory=AccessFiles)
    mirror: MirrorSettings = field(default_factory=MirrorSettings)
    hangup_ends: bool = False
    """Whether SIGHUP means that the terminal has gone, and not that files are to be read anew."""

    @property
    def asks_for_certificates(self) -> bool:
        """Whether nobody gets a connection who shows none."""
        return self.certificate is not None and self.certificate.clients is not None

    @property
    def context(self) -> ssl.SSLContext | None:
        """What connections are served with: as the files are now.

        Raises InvalidInput, Unavailable and its branches.
        """
        return None if self.certificate is None else self.certificate.context()


@final
@dataclass(frozen=True, slots=True)
class _Shared:
    """What the worker processes have in common."""

    listener: socket.socket
    context: Reloadable[ssl.SSLContext | None]
    access: Reloadable[Access]
    metrics: Metrics
    failures: Failures


def serve(
    open_store: Callable[[], Store], listening: Listening, on_ready: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then let transfers finish.

    Args:
        open_store: Opens the store, in each worker process anew: connections do not survive a fork.
        listening: Where and how.
        on_ready: Told the address, when connections are accepted.

    Raises:
        Unavailable: The address cannot be had, or workers failed.
        InvalidInput: The certificate, the users or the rules are none.
    """
    access = Reloadable(listening.access.paths, listening.access.load)
    context = Reloadable(
        () if listening.certificate is None else listening.certificate.paths,
        lambda: listening.context,
    )
    listener = _listen(listening.host, listening.port)
    _raise_limit()
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    if (
        access.value.is_open
        and not access.value.read_only
        and not ipaddress.ip_address(host.partition("%")[0]).is_loopback
        and not listening.asks_for_certificates
    ):
        logger.warning(
            "every client that can connect may push and delete here: set users or rules, or make"
            " the server read-only"
        )

    def started() -> None:
        on_ready(f"{'http' if listening.certificate is None else 'https'}://{shown}:{port}")
        _notify("READY=1")

    def stopping() -> None:
        # What is left open here would go on filling its queue with clients that nobody takes out of
        # it.
        listener.close()
        _notify("STOPPING=1")

    def refresh() -> None:
        # Whoever serves says what is wrong with them.
        access.refresh()
        context.refresh()

    shared = _Shared(listener, context, access, Metrics(listening.workers), Failures())
    with listener:
        if listening.workers == 1:
            _work(open_store, listening, shared, 0, started)
            return

        def work(number: int) -> None:
            _work(open_store, listening, shared, number)

        Workers(
            work, listening.workers, refresh, reloads=not listening.hangup_ends, every_s=EVERY_S
        ).run(started, stopping)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; without a host, at every address of either protocol."""
    if host:
        return _bound(host, port)
    try:
        return _bound("::", port, everywhere=True)
    except Unavailable as exc:
        # A machine without IPv6.
        if getattr(exc.__cause__, "errno", None) not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return _bound("0.0.0.0", port)  # noqa: S104 - it was asked for


def _bound(host: str, port: int, *, everywhere: bool = False) -> socket.socket:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise Unavailable(
            f"{address}: {exc.strerror or exc}", remedy=Remedy.LISTEN_ELSEWHERE
        ) from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if everywhere:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        refused = PermissionDenied if exc.errno == errno.EACCES else Unavailable
        raise refused(
            f"{address}: {exc.strerror or exc}",
            hint=_HINTS.get(exc.errno or 0),
            remedy=Remedy.LISTEN_ELSEWHERE,
        ) from exc
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
    shared: _Shared,
    number: int,
    started: Callable[[], None] | None = None,
) -> None:
    shared.metrics.begin(number)
    if started is None:
        # This process may stand in for another one that died, long after the files were read first.
        for what, latest in (("users and rules", shared.access), ("certificate", shared.context)):
            wrong = latest.refresh()
            if wrong is not None:
                logger.warning("the new %s cannot be used: %s", what, wrong.message)
    settings = replace(listening.mirror, access=shared.access.value, leads=number == 0)
    with open_store() as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(store, listening, settings, shared, started))


async def _run(
    store: Store,
    listening: Listening,
    settings: MirrorSettings,
    shared: _Shared,
    started: Callable[[], None] | None,
) -> None:
    stop = asyncio.Event()
    asked = (asyncio.Event(), asyncio.Event())

    def reload() -> None:
        for event in asked:
            event.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, stop.set if listening.hangup_ends else reload)
    for number in ENDINGS:
        loop.add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    app = make_app(
        store, settings, cores=os.cpu_count() or 1, metrics=shared.metrics, failures=shared.failures
    )
    runner = web.AppRunner(app, shutdown_timeout=SOON_S)
    await runner.setup()
    protocols = runner.server
    assert protocols is not None  # noqa: S101 - made by `setup`
    connections: set[Connection] = set()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    # aiohttp's server makes protocols of one class only.
    protocol = partial(
        StrictRequestHandler,
        protocols,
        loop=loop,
        logger=connections_logger(),
        access_log_class=access_logger(shared.metrics),
        keepalive_timeout=KEEPALIVE_S,
        auto_decompress=False,
        read_bufsize=READ_BYTES,
    )
    door = Listener(shared.listener, lambda: Connection(protocol(), connections, buffer))
    await door.open(shared.context.value)
    tasks = [
        asyncio.create_task(one)
        for one in (*_watching(listening, app, door, asked), cut_off_stalled(connections))
    ]
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
        door.close()
        await end(protocols, connections, listening.grace_s)
        await runner.cleanup()
        for number in (*ENDINGS, signal.SIGHUP):
            # Once is enough: another signal must not take what is left of the way out for a
            # failure.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def _watching(
    listening: Listening,
    app: web.Application,
    door: Listener,
    asked: tuple[asyncio.Event, asyncio.Event],
) -> Iterator[Coroutine[None, None, None]]:
    """What takes over files that have changed; at once when it is ``asked``."""
    certificate, files = listening.certificate, listening.access
    if certificate is not None:

        async def renew() -> None:
            await door.open(listening.context)

        yield watch("certificate", certificate.paths, renew, asked[0])
    if files.paths:

        async def take_over() -> None:
            app[SERVICE].authenticator.access = files.load()

        yield watch("users and rules", files.paths, take_over, asked[1])


def _notify(state: str) -> None:
    """Tell systemd, when it has started us and wants to know (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())
