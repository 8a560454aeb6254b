"""The server: listening sockets, signals and worker processes."""

from __future__ import annotations

import asyncio
import errno
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

from mirror.access import AccessFiles, LoginHistory
from mirror.access.throttle import client_network
from mirror.app import SERVICE, make_app
from mirror.connections.admission import Admission, ConnectionLimits
from mirror.connections.connection import BUFFER_BYTES, Connection
from mirror.connections.draining import POLL_INTERVAL_S, drain
from mirror.connections.incomplete_heads import IncompleteHeads
from mirror.connections.listener import BACKLOG, Listener
from mirror.connections.refusals import StrictRequestHandler
from mirror.connections.stalled_clients import cut_off_stalled
from mirror.origin.hosts import is_loopback_address, serves_this_machine_only
from mirror.process.logs import access_logger, connections_logger
from mirror.process.metrics import Metrics
from mirror.process.reloading import WATCH_INTERVAL_S, Reloadable, watch
from mirror.process.settings_file import SettingsFile
from mirror.process.stopping import Stopping
from mirror.process.tuning import tune_process
from mirror.process.workers import HANDLED_SIGNALS, STOP_SIGNALS, Workers
from mirror.service import MirrorSettings
from mirror.shared_times import SharedTimes
from mirror.transfer.receiving import READ_BYTES
from store.errors import PermissionDenied, Unavailable
from store.model.remedies import Remedy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from pathlib import Path

    from mirror.access import Access
    from mirror.connections.tls import Certificate
    from store import Store

logger = logging.getLogger(__name__)

KEEPALIVE_S: Final = 75.0
"""How long an idle connection stays open, in seconds; aiohttp's default is an hour."""

_HINTS: Final = {
    errno.EADDRINUSE: "another process listens at this address",
    errno.EADDRNOTAVAIL: "no network interface of this machine has that address",
    errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE",
}


@final
@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The address of a server, and the settings of its processes."""

    host: str
    """The address to listen at; empty for every address of this machine."""
    port: int
    certificate: Certificate | None = None
    """The certificate and key; None to serve without TLS."""
    workers: int = 1
    grace_s: float = 60.0
    """How long running transfers may go on after a signal to stop, in seconds."""
    access: AccessFiles = field(default_factory=AccessFiles)
    mirror: MirrorSettings = field(default_factory=MirrorSettings)
    hangup_ends: bool = False
    """Whether SIGHUP ends the server instead of reloading files; for a server on a terminal."""
    reread: Callable[[], tuple[ServerSettings, Sequence[str]]] | None = None
    """Reads the settings again, on SIGHUP. Returns those to use from now on, of which the
    certificate and the access take effect, and the names of settings that need a restart."""
    overdue_code: int = 1
    """The exit code of a process that is ended because it did not end within the grace."""

    @property
    def stop_signals(self) -> frozenset[signal.Signals]:
        """The signals that stop the server."""
        return frozenset({*STOP_SIGNALS, signal.SIGHUP} if self.hangup_ends else STOP_SIGNALS)

    @property
    def certificate_paths(self) -> tuple[Path, ...]:
        """The files of the certificate; empty without TLS."""
        return () if self.certificate is None else tuple(self.certificate.paths)

    @property
    def context(self) -> ssl.SSLContext | None:
        """A new TLS context from the current files; None to serve without TLS.

        Raises:
            InvalidInput: A file is missing or is not valid PEM, or the key does not belong to the
                certificate or has a password.
            Unavailable: A file cannot be read.
        """
        return None if self.certificate is None else self.certificate.context()


@final
@dataclass(frozen=True, slots=True)
class _Shared:
    """The state that all worker processes of a server share."""

    listener: socket.socket
    live: SettingsFile[ServerSettings]
    context: Reloadable[ssl.SSLContext | None]
    access: Reloadable[Access]
    metrics: Metrics
    history: LoginHistory
    variant_times: SharedTimes


def serve(
    open_store: Callable[[], Store],
    settings: ServerSettings,
    on_ready: Callable[[str], None],
    prepare: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then let running transfers finish.

    Args:
        open_store: Opens the store. Each worker process calls it, because a database connection
            does not survive a fork.
        settings: The address, and the settings of the worker processes.
        on_ready: Called with the server's URL when the server accepts connections.
        prepare: Called once before the store is opened, when the address and all files are valid.

    Raises:
        Unavailable: The server cannot listen at the address, a file cannot be read, or workers
            failed.
        InvalidInput: The certificate, the users or the rules are invalid.
    """
    live = SettingsFile(settings, None if settings.reread is None else lambda: _again(live.value))
    context = Reloadable(lambda: live.value.certificate_paths, lambda: live.value.context)
    with _listen(settings.host, settings.port) as listener:
        host, port = listener.getsockname()[:2]
        # The operator knows the name that the command line gives, not the address behind it.
        called = settings.host or host
        shown = f"[{called}]" if ":" in called else called
        url = f"{'http' if settings.certificate is None else 'https'}://{shown}:{port}"
        permitted = _permitted(settings, host)
        live.value = permitted
        access = Reloadable(lambda: live.value.access.paths, lambda: live.value.access.load())  # noqa: PLW0108 - the value changes
        prepare()
        _serve(open_store, permitted, listener, (live, context, access), lambda: on_ready(url))


def _again(settings: ServerSettings) -> tuple[ServerSettings, Sequence[str]]:
    """Return the settings after a change; what they allow without users depends on the address."""
    assert settings.reread is not None  # noqa: S101 - the caller has looked
    new, waiting = settings.reread()
    access = replace(new.access, anonymous_write=settings.access.anonymous_write)
    return replace(settings, certificate=new.certificate, access=access), waiting


def _permitted(settings: ServerSettings, address: str) -> ServerSettings:
    """Return the settings with the permissions for the address of the socket.

    Args:
        settings: The settings of the command line.
        address: The address at which the socket listens.
    """
    mirror = settings.mirror
    is_local = serves_this_machine_only(
        address, url=mirror.url, has_proxies=bool(mirror.proxies.networks)
    )
    access = settings.access
    if not is_local and not access.has_logins and not access.read_only:
        if access.anonymous_write:
            logger.warning(
                "every client that can connect may push and delete: the registry has neither users"
                " nor rules, and is not read-only"
            )
        else:
            words = mirror.advice.get(Remedy.OPEN_REGISTRY)
            logger.warning(
                "clients may only read: other machines can reach the registry, and it has no"
                " users%s",
                f"; {words}" if words else "",
            )
    if is_local and mirror.shared_origins.is_any:
        logger.warning("every web page that a user of this machine opens may read the registry")
    return replace(
        settings,
        access=replace(access, anonymous_write=access.anonymous_write or is_local),
        mirror=replace(
            mirror,
            # The operator calls the server by this name.
            allowed_hosts=(*mirror.allowed_hosts, settings.host),
            # With users, a page of a different site only gets what every client may read.
            checks_hosts=bool(mirror.allowed_hosts)
            or (is_loopback_address(address) and not access.has_logins),
        ),
    )


def _serve(
    open_store: Callable[[], Store],
    settings: ServerSettings,
    listener: socket.socket,
    files: tuple[
        SettingsFile[ServerSettings], Reloadable[ssl.SSLContext | None], Reloadable[Access]
    ],
    on_ready: Callable[[], None],
) -> None:
    live, context, access = files
    tune_process()

    def started() -> None:
        on_ready()
        _notify("READY=1")

    def stopping() -> None:
        # An open socket would go on queueing clients that no process accepts.
        listener.close()
        _notify("STOPPING=1")

    def refresh() -> None:
        # The workers log the errors.
        access.refresh()
        context.refresh()

    shared = _Shared(
        listener, live, context, access, Metrics(settings.workers), LoginHistory(), SharedTimes()
    )
    if settings.workers == 1:
        _run_worker(open_store, settings, shared, 0, started)
        return

    def work(number: int) -> None:
        _run_worker(open_store, settings, shared, number)

    Workers(
        work,
        settings.workers,
        refresh,
        reloads=not settings.hangup_ends,
        interval_s=WATCH_INTERVAL_S,
        grace_s=settings.grace_s,
        reread=partial(live.refresh, logs=False),
    ).run(started, stopping)


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; an empty host means every IPv4 and IPv6 address."""
    if host:
        return _bound(host, port)
    try:
        return _bound("::", port, everywhere=True)
    except Unavailable as exc:
        # This machine has no IPv6.
        if getattr(exc.__cause__, "errno", None) not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return _bound("0.0.0.0", port)  # noqa: S104 - the operator gave no host


def _bound(host: str, port: int, *, everywhere: bool = False) -> socket.socket:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise Unavailable(
            f"cannot listen at {address}: {exc.strerror or exc}", remedy=Remedy.LISTEN_ELSEWHERE
        ) from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if everywhere:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        error = PermissionDenied if exc.errno == errno.EACCES else Unavailable
        raise error(
            f"cannot listen at {address}: {exc.strerror or exc}",
            hint=_HINTS.get(exc.errno or 0),
            remedy=Remedy.LISTEN_ELSEWHERE,
        ) from exc
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


def _run_worker(
    open_store: Callable[[], Store],
    settings: ServerSettings,
    shared: _Shared,
    number: int,
    started: Callable[[], None] | None = None,
) -> None:
    shared.metrics.use_row(number)
    if started is None:
        # This worker may replace a worker that died long after the files were first read.
        for what, files in (("users and rules", shared.access), ("certificate", shared.context)):
            error = files.refresh()
            if error is not None:
                logger.warning("cannot load the new %s: %s", what, error.message)
    limits = ConnectionLimits.of(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    mirror = replace(
        settings.mirror,
        access=shared.access.value,
        is_leader=number == 0,
        max_client_requests=limits.share,
    )
    with (
        Stopping(settings.stop_signals, settings.grace_s, settings.overdue_code) as stopping,
        open_store() as store,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve_until_stopped(store, settings, mirror, limits, shared, stopping, started))


async def _serve_until_stopped(
    store: Store,
    settings: ServerSettings,
    mirror: MirrorSettings,
    limits: ConnectionLimits,
    shared: _Shared,
    stopping: Stopping,
    started: Callable[[], None] | None,
) -> None:
    stop = asyncio.Event()
    reload_requested = (asyncio.Event(), asyncio.Event())

    def reload() -> None:
        shared.live.refresh(logs=mirror.is_leader)
        for event in reload_requested:
            event.set()

    loop = asyncio.get_running_loop()
    if not settings.hangup_ends:
        loop.add_signal_handler(signal.SIGHUP, reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED_SIGNALS - settings.stop_signals)
    stopping.on_stop(lambda: loop.call_soon_threadsafe(stop.set))
    app = make_app(
        store,
        mirror,
        cores=os.cpu_count() or 1,
        metrics=shared.metrics,
        history=shared.history,
        variant_times=shared.variant_times,
    )
    runner = web.AppRunner(app, shutdown_timeout=POLL_INTERVAL_S)
    await runner.setup()
    protocols = runner.server
    assert protocols is not None  # noqa: S101 - made by `setup`
    connections: set[Connection] = set()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    # aiohttp's server would create request handlers of its own class.
    protocol = partial(
        StrictRequestHandler,
        protocols,
        loop=loop,
        logger=connections_logger(),
        access_log_class=access_logger(shared.metrics),
        keepalive_timeout=KEEPALIVE_S,
        auto_decompress=False,
        read_bufsize=READ_BYTES,
        heads=IncompleteHeads(),
    )
    listener = Listener(
        shared.listener,
        lambda slot: Connection(protocol(), connections, buffer, slot),
        Admission(
            limits,
            network_of=client_network,
            is_exempt=mirror.proxies.trusts,
            clock=loop.time,
            on_refused=partial(shared.metrics.count_event, "refused_connections"),
        ),
    )
    listener.open(shared.context.value)
    tasks = [
        asyncio.create_task(one)
        for one in (
            *_watch_files(shared.live, app, listener, reload_requested),
            cut_off_stalled(connections),
        )
    ]
    if started is not None:
        started()
    try:
        await stop.wait()
        logger.info("stopping: waiting for running transfers")
        app[SERVICE].jobs.stop()
        if started is not None:
            _notify("STOPPING=1")
    finally:
        for task in tasks:
            task.cancel()
        listener.close()
        await drain(protocols, connections, settings.grace_s)
        await runner.cleanup()
        # The server is already stopping: a further signal must not make the stop fail.
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _watch_files(
    live: SettingsFile[ServerSettings],
    app: web.Application,
    listener: Listener,
    reload_requested: tuple[asyncio.Event, asyncio.Event],
) -> Iterator[Coroutine[None, None, None]]:
    """Yield tasks; each applies some files when they change or a reload is requested."""
    if live.value.certificate is not None:

        async def renew() -> None:
            listener.open(live.value.context)

        yield watch("certificate", lambda: live.value.certificate_paths, renew, reload_requested[0])
    if live.value.access.paths:

        async def apply() -> None:
            app[SERVICE].authenticator.access = live.value.access.load()

        yield watch("users and rules", lambda: live.value.access.paths, apply, reload_requested[1])


def _notify(state: str) -> None:
    """Report a state to systemd, if systemd started this process (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())
