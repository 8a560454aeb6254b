"""Sockets, TLS, signals, worker processes: the only module that listens."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, final

import uvloop
from aiohttp import web
from aiohttp.http import HttpProcessingError

from mirror.app import make_app
from mirror.connection import Connection
from mirror.service import MirrorSettings
from mirror.workers import ENDINGS, supervise
from store.errors import InvalidInput, Unavailable
from store.limits import MIB
from store.oserrors import translate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store

logger = logging.getLogger(__name__)

KEEPALIVE_S: Final = 75.0
"""An idle connection is closed after so long; aiohttp's own default is an hour."""

_RELOAD_EVERY_S: Final = 30.0
_BACKLOG: Final = 1024
_FIELD_BYTES: Final = 32 * 1024
_LINE_BYTES: Final = 16 * 1024


@final
@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its key, in PEM files; with ``clients``, a client has to show a certificate that these authorities signed."""

    chain: Path
    key: Path
    clients: Path | None = None


@final
@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen; ``grace_s`` is how long running transfers may take to end when the server is told to stop."""

    host: str
    port: int
    certificate: Certificate | None = None
    workers: int = 1
    grace_s: float = 60.0
    mirror: MirrorSettings = field(default_factory=MirrorSettings)


def serve(open_store: Callable[[], Store], listening: Listening, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then let transfers finish.

    Args:
        open_store: Opens the store, in each worker process anew: connections do not survive a fork.
        listening: Where and how.
        on_ready: Told the address, when connections are accepted.

    Raises:
        Unavailable: The address cannot be had, or a worker failed.
        InvalidInput: The certificate is none.
    """
    context = None if listening.certificate is None else _context(listening.certificate)
    listeners = [_listen(listening.host, listening.port, shared=listening.workers > 1)]
    host, port = listeners[0].getsockname()[:2]
    listeners += [_listen(host, port, shared=True) for _ in range(listening.workers - 1)]
    shown = f"[{host}]" if ":" in host else host

    def ready() -> None:
        on_ready(f"{'http' if context is None else 'https'}://{shown}:{port}")

    # From here on, whoever is told to stop ends in order.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    if listening.workers == 1:
        _work(open_store, listening, listeners[0], context, ready)
        return

    def work(number: int, parent: int) -> None:
        # A socket that nobody serves must not live on in another's process: connections would be given to it.
        for other in listeners:
            if other is not listeners[number]:
                other.close()
        _work(open_store, listening, listeners[number], context, parent=parent)

    # They listen already: who connects now waits for the workers.
    ready()
    supervise([partial(work, number) for number in range(listening.workers)])


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    address = f"{host}:{port}"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise Unavailable(f"{address}: {exc.strerror or exc}", hint="--listen takes HOST:PORT") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise Unavailable(f"{address}: {exc.strerror or exc}", hint="another server may be listening there") from exc
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


def _work(
    open_store: Callable[[], Store],
    listening: Listening,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    on_ready: Callable[[], None] | None = None,
    *,
    parent: int | None = None,
) -> None:
    with open_store() as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(store, listening, listener, context, on_ready, parent))


async def _run(
    store: Store, listening: Listening, listener: socket.socket, context: ssl.SSLContext | None, on_ready: Callable[[], None] | None, parent: int | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ENDINGS:
        loop.add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
    if parent is not None:
        # At its end when the parent is no more.
        loop.add_reader(parent, stop.set)
    app = make_app(store, listening.mirror, cores=os.cpu_count() or 1)
    runner = web.AppRunner(
        app,
        logger=_connections_logger(),
        access_log=logging.getLogger("mirror.access_log"),
        access_log_format='%a "%r" %s %b %Tf "%{User-Agent}i"',
        keepalive_timeout=KEEPALIVE_S,
        max_field_size=_FIELD_BYTES,
        max_line_size=_LINE_BYTES,
        auto_decompress=False,
        read_bufsize=MIB,
        shutdown_timeout=listening.grace_s,
    )
    await runner.setup()
    protocols = runner.server
    assert protocols is not None  # noqa: S101 - made by `setup`
    server = await loop.create_server(lambda: Connection(protocols()), sock=listener, ssl=context, backlog=_BACKLOG)
    if on_ready is not None:
        on_ready()
    reloading = None if context is None or listening.certificate is None else asyncio.create_task(_reload(context, listening.certificate))
    try:
        await stop.wait()
        logger.info("stopping: transfers may finish")
    finally:
        if reloading is not None:
            reloading.cancel()
        if parent is not None:
            loop.remove_reader(parent)
        server.close()
        await runner.cleanup()
        for number in ENDINGS:
            # Once is enough: another signal must not take what is left of the way out for a failure.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def _connections_logger() -> logging.Logger:
    found = logging.getLogger("mirror.connections")
    found.addFilter(_client_fault)
    return found


def _client_fault(record: logging.LogRecord) -> bool:
    """What is no HTTP is no failure of ours: a line for those who want to know, without the traceback that aiohttp adds."""
    cause = record.exc_info[1] if record.exc_info else None
    if not isinstance(cause, HttpProcessingError):
        return True
    record.msg, record.args = "a request that is no HTTP was refused: %s", (" ".join(cause.message.split()),)
    record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
    return logging.getLogger(record.name).isEnabledFor(logging.INFO)


# --- TLS ----------------------------------------------------------------------------------------------------------------


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, certificate)
    return context


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    try:
        # Nobody is there to be asked for the password of a key.
        context.load_cert_chain(certificate.chain, certificate.key, password=lambda: b"")
        if certificate.clients is not None:
            context.load_verify_locations(certificate.clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as exc:
        raise InvalidInput(f"{certificate.chain} and {certificate.key} are no certificate with its key: {exc.reason or exc}") from exc
    except OSError as exc:
        raise translate(exc, "the certificate, its key or the authorities") from exc


async def _reload(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Take over a renewed certificate: new connections get it, those that are open keep theirs."""
    seen = _times(certificate)
    while True:
        await asyncio.sleep(_RELOAD_EVERY_S)
        now = _times(certificate)
        if now != seen:
            try:
                # Into a context of its own first: a pair half-written must not be half-loaded.
                _context(certificate)
                _load(context, certificate)
            except (InvalidInput, Unavailable) as exc:
                logger.warning("the renewed certificate cannot be used yet: %s", exc.message)
                continue
            logger.info("took over a renewed certificate")
            seen = now


def _times(certificate: Certificate) -> tuple[int, ...]:
    try:
        return tuple(path.stat().st_mtime_ns for path in (certificate.chain, certificate.key))
    except OSError:
        return ()
