"""Sockets, TLS, signals, worker processes: the only module that listens."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

import uvloop
from aiohttp import web

from mirror.app import make_app
from mirror.service import MirrorSettings
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
_ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
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
    listener = _listen(listening.host, listening.port, shared=listening.workers > 1)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    on_ready(f"{'http' if context is None else 'https'}://{shown}:{port}")
    if listening.workers == 1:
        _work(open_store, listening, listener, context)
        return
    _supervise(
        [lambda: _work(open_store, listening, _listen(host, port, shared=True), context)] * (listening.workers - 1), open_store, listening, listener, context
    )


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


def _supervise(
    others: list[Callable[[], None]], open_store: Callable[[], Store], listening: Listening, listener: socket.socket, context: ssl.SSLContext | None
) -> None:
    """Run ``others`` in processes of their own beside one worker in this one; they end together."""
    children = [_fork(one) for one in others]
    try:
        _work(open_store, listening, listener, context)
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        raise Unavailable(f"{sum(map(bool, codes))} of {len(codes) + 1} worker processes failed", hint="the log says why")


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        logger.exception("a worker process failed")
    finally:
        # Not `sys.exit`: what the parent has on its stack is none of the child's business.
        os._exit(code)


def _work(open_store: Callable[[], Store], listening: Listening, listener: socket.socket, context: ssl.SSLContext | None) -> None:
    with open_store() as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(store, listening, listener, context))


async def _run(store: Store, listening: Listening, listener: socket.socket, context: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDINGS:
        loop.add_signal_handler(number, stop.set)
    app = make_app(store, listening.mirror, cores=os.cpu_count() or 1)
    runner = web.AppRunner(
        app,
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
    site = web.SockSite(runner, listener, ssl_context=context, backlog=_BACKLOG)
    await site.start()
    reloading = None if context is None or listening.certificate is None else asyncio.create_task(_reload(context, listening.certificate))
    try:
        await stop.wait()
        logger.info("stopping: transfers may finish")
    finally:
        if reloading is not None:
            reloading.cancel()
        await runner.cleanup()
        for number in _ENDINGS:
            # Once is enough: another signal must not take what is left of the way out for a failure.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


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
