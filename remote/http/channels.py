"""Connections to a program on another machine, each over the standard input and output of one."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from remote.errors import Unreachable
from remote.http.lean_aiohttp import aiohttp
from store.errors import printable
from store.formats.distribution.greeting import MAX_GREETING_BYTES, PROTOCOL, parse_greeting

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

    from remote.http.far_program import FarProgram

CHANNELS: Final = 2
"""The most programs for one client: each is a login, and a process on the other machine."""

_GREETING_LIMIT_S: Final = 300.0
"""How long a login may take: the user may have to type a password."""

_END_LIMIT_S: Final = 5.0
"""How long a program may take to end after its input has ended."""

_BUFFER_BYTES: Final = 1024 * 1024
_KEEPALIVE_S: Final = 24 * 3600.0


@final
class ChannelConnector(aiohttp.BaseConnector):
    """A connector whose connections are programs on another machine.

    One login is finished before the next one begins, so that only one asks for a password.

    Args:
        program: The program.
        connections: The most connections.
    """

    allowed_protocol_schema_set = aiohttp.TCPConnector.allowed_protocol_schema_set

    def __init__(self, program: FarProgram, *, connections: int) -> None:
        super().__init__(limit=min(connections, CHANNELS), keepalive_timeout=_KEEPALIVE_S)
        self._program = program
        self._turn = asyncio.Lock()
        self._running: list[subprocess.Popen[bytes]] = []

    async def _create_connection(
        self,
        req: ClientRequest,  # noqa: ARG002 - the signature of aiohttp
        traces: list[Trace],  # noqa: ARG002
        timeout: aiohttp.ClientTimeout,  # noqa: ARG002, ASYNC109
    ) -> ResponseHandler:
        async with self._turn:
            channel = await self._opened()
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_connection(self._factory, sock=channel)
        except BaseException:
            channel.close()
            raise
        return protocol

    async def _opened(self) -> socket.socket:
        """Start the program, and wait for its first line.

        Raises:
            RegistryError: The program cannot be started, or says something else.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.to_thread(self._start, theirs)
            ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
            with suppress(OSError):
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            await self._greet(process, ours)
        except BaseException:
            ours.close()
            raise
        return ours

    def _start(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's ssh, without a shell
                self._program.command, stdin=channel.fileno(), stdout=channel.fileno()
            )
        except OSError as error:
            name = printable(self._program.command[0])
            raise Unreachable(
                f"cannot reach the store on {self._program.host}: cannot run {name}:"
                f" {error.strerror}",
                registry=self._program.host,
                hint="install OpenSSH's client",
            ) from None
        self._running.append(process)
        return process

    async def _greet(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        said = b""
        try:
            async with asyncio.timeout(_GREETING_LIMIT_S):
                while b"\n" not in said and len(said) < MAX_GREETING_BYTES:
                    try:
                        data = await loop.sock_recv(channel, MAX_GREETING_BYTES)
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        code = await asyncio.to_thread(process.wait, _END_LIMIT_S)
                        raise self._program.ended(code, said)
                    said += data
        except TimeoutError:
            raise Unreachable(
                f"cannot reach the store on {self._program.host}: no answer in"
                f" {_GREETING_LIMIT_S:g} seconds",
                registry=self._program.host,
            ) from None
        except subprocess.TimeoutExpired:
            raise self._program.ended(0, said) from None
        found = parse_greeting(said)
        if found is None:
            raise self._program.noisy(said)
        if found[0] != PROTOCOL:
            raise self._program.too_new(found[1])

    async def finished(self) -> None:
        """Wait until the programs have ended, after the connections were closed."""
        running, self._running = self._running, []
        for process in running:
            await asyncio.to_thread(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program; end it if it does not end by itself."""
    stops: tuple[Callable[[], None], ...] = (process.terminate, process.kill)
    for stop in stops:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_LIMIT_S)
            return
        stop()
    process.wait()
