"""A proxy in front of a real registry that injects faults into chosen requests and answers.

::

    with FaultyRegistry(mirror.port) as registry:
        registry.inject(CutAfter(1000), method="GET", path="/blobs/")
        ...
        assert registry.count("GET", "/blobs/") == 2

Without an upstream, every request needs a rule with an `Answer`.
"""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TypeAlias, final

from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping

_TLS_RECORD: Final = b"\x16"
_PIECE: Final = 64 * 1024
_ENDLESS_PIECE: Final = b"x" * _PIECE


@final
@dataclass(frozen=True)
class Seen:
    """A request that arrived; ``body`` is what was read of it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@final
@dataclass(frozen=True)
class Answer:
    """Answer without asking the upstream; ``{host}`` in headers is this server's address."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@final
@dataclass(frozen=True)
class Compute:
    """Answer with what a function returns for the request."""

    answer: Callable[[Seen], Answer]


@final
@dataclass(frozen=True)
class Rewrite:
    """Pass the upstream's answer on with other headers, and other bytes of the same length.

    A header with the value None is removed.
    """

    headers: Mapping[str, str | None] = field(default_factory=dict)
    status: int | None = None
    flip: bool = False


@final
@dataclass(frozen=True)
class CutAfter:
    """Close the connection after some bytes of the answer's body."""

    count: int


@final
@dataclass(frozen=True)
class CutUpload:
    """Pass some bytes of the request's body on, then close both connections."""

    count: int


@final
@dataclass(frozen=True)
class LoseAnswer:
    """Pass the request on, and close the connection instead of the answer."""


@final
@dataclass(frozen=True)
class Hang:
    """Read the request, and answer nothing until the client leaves."""

    reads_body: bool = True


@final
@dataclass(frozen=True)
class HangAfter:
    """Stop sending after some bytes of the answer's body, with the connection open."""

    count: int


@final
@dataclass(frozen=True)
class Drip:
    """Send the answer's body byte by byte."""

    pause_s: float


@final
@dataclass(frozen=True)
class Endless:
    """Answer with a body that never ends."""

    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@final
@dataclass(frozen=True)
class Garbage:
    """Answer with bytes that are not HTTP."""

    data: bytes = b"SSH-2.0-OpenSSH_9.2p1\r\n"


Action: TypeAlias = (
    Answer
    | Compute
    | Rewrite
    | CutAfter
    | CutUpload
    | LoseAnswer
    | Hang
    | HangAfter
    | Drip
    | Endless
    | Garbage
)


@dataclass
class _Rule:
    action: Action
    method: str
    path: re.Pattern[str]
    times: int
    after: int


@dataclass
class _Head:
    first: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def encode(self, **changes: str | None) -> bytes:
        dropped = {name.replace("_", "-").lower() for name in changes}
        kept = [(key, value) for key, value in self.headers if key.lower() not in dropped]
        kept += [(key.replace("_", "-"), value) for key, value in changes.items() if value]
        return (
            "\r\n".join([self.first, *(f"{key}: {value}" for key, value in kept)]) + "\r\n\r\n"
        ).encode("latin-1")


@final
class FaultyRegistry:
    """A proxy on a port that the system chooses; use it as a context manager.

    Args:
        upstream: The port of the real registry on 127.0.0.1; None for none.
        tls: The certificate of this server; None for plain HTTP.
    """

    def __init__(self, upstream: int | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self._upstream = upstream
        self._tls = tls
        self._rules: list[_Rule] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    @property
    def host(self) -> str:
        """The name of the registry in references."""
        return f"127.0.0.1:{self.port}"

    def inject(
        self, action: Action, *, method: str = "", path: str = "", times: int = 1, after: int = 0
    ) -> None:
        """Add a fault.

        Args:
            action: The fault.
            method: The method of requests that have it; empty for all.
            path: A pattern that is searched in their target; empty for all.
            times: How many requests have it.
            after: How many requests pass before.
        """
        self._rules.append(_Rule(action, method, re.compile(path), times, after))

    def always(self, action: Action, *, method: str = "", path: str = "") -> None:
        """Add a fault for every request."""
        self.inject(action, method=method, path=path, times=10**9)

    def clear(self) -> None:
        """Remove all faults, and forget the requests."""
        self._rules.clear()
        self.seen.clear()

    def requests(self, method: str = "", path: str = "") -> list[Seen]:
        """Return the requests so far, in the order of their arrival."""
        return [
            one
            for one in self.seen
            if method in {"", one.method} and re.search(path, one.target) is not None
        ]

    def count(self, method: str = "", path: str = "") -> int:
        """Return the number of requests so far."""
        return len(self.requests(method, path))

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(PATIENCE_S)
        return self

    def __exit__(self, *_exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> int:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=self._tls, limit=_PIECE
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            await _close(writer)

    def _rule_for(self, method: str, target: str) -> Action | None:
        for rule in self._rules:
            if rule.times and rule.method in {"", method} and rule.path.search(target):
                if rule.after:
                    rule.after -= 1
                    continue
                rule.times -= 1
                return rule.action
        return None

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request, and return whether the connection stays open."""
        head = await _read_head(reader)
        if head is None:
            return False
        method, target, _ = head.first.split(" ", 2)
        action = self._rule_for(method, target)
        if isinstance(action, Hang) and not action.reads_body:
            self.seen.append(Seen(method, target, dict(head.headers)))
            await asyncio.sleep(PATIENCE_S)
            return False
        if isinstance(action, CutUpload):
            self.seen.append(Seen(method, target, dict(head.headers)))
            await self._cut_upload(head, reader, action.count)
            return False
        body = b"".join([piece async for piece in _body(head, reader, method=None)])
        seen = Seen(method, target, dict(head.headers), body)
        self.seen.append(seen)
        return await self._answer(seen, head, action, reader, writer)

    async def _answer(
        self,
        seen: Seen,
        head: _Head,
        action: Action | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        match action:
            case Compute(answer):
                await self._canned(answer(seen), seen, writer)
                return True
            case Answer():
                await self._canned(action, seen, writer)
                return True
            case Hang():
                await reader.read()
                return False
            case Garbage(data):
                writer.write(data)
                await writer.drain()
                return False
            case Endless():
                await self._endless(action, writer)
                return False
            case _:
                assert self._upstream is not None, f"no rule for {seen.method} {seen.target}"
                return await self._forward(seen, head, action, reader, writer)

    async def _canned(self, answer: Answer, seen: Seen, writer: asyncio.StreamWriter) -> None:
        headers = [
            (key, value.replace("{host}", f"127.0.0.1:{self.port}"))
            for key, value in answer.headers.items()
        ]
        if not any(key.lower() == "content-length" for key, _ in headers):
            headers.append(("Content-Length", str(len(answer.body))))
        writer.write(_Head(f"HTTP/1.1 {answer.status} Status", headers).encode())
        if seen.method != "HEAD":
            writer.write(answer.body)
        await writer.drain()

    @staticmethod
    async def _endless(action: Endless, writer: asyncio.StreamWriter) -> None:
        headers = [*action.headers.items(), ("Transfer-Encoding", "chunked")]
        writer.write(_Head(f"HTTP/1.1 {action.status} Status", headers).encode())
        while True:
            writer.write(f"{_PIECE:x}\r\n".encode() + _ENDLESS_PIECE + b"\r\n")
            await writer.drain()

    async def _cut_upload(self, head: _Head, reader: asyncio.StreamReader, count: int) -> None:
        to_reader, to = await asyncio.open_connection("127.0.0.1", self._upstream)
        to.write(head.encode(Expect=None))
        to.write(await reader.readexactly(count))
        await to.drain()
        # The upstream sees the end of the stream, and keeps what it has read.
        to.write_eof()
        await to_reader.read()
        await _close(to)

    async def _forward(
        self,
        seen: Seen,
        head: _Head,
        action: Action | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        up_reader, up = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            length = (
                str(len(seen.body)) if seen.body or seen.method not in {"GET", "HEAD"} else None
            )
            up.write(
                head.encode(
                    Connection="close", Content_Length=length, Transfer_Encoding=None, Expect=None
                )
                + seen.body
            )
            await up.drain()
            answer = await _read_head(up_reader)
            assert answer is not None
            if isinstance(action, LoseAnswer):
                await up_reader.read()
                return False
            body = [piece async for piece in _body(answer, up_reader, method=seen.method)]
            await self._pass_on(seen, answer, b"".join(body), action, reader, writer)
            return not isinstance(action, CutAfter | HangAfter | Drip)
        finally:
            await _close(up)

    async def _pass_on(
        self,
        seen: Seen,
        answer: _Head,
        body: bytes,
        action: Action | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        changes: dict[str, str | None] = {"Connection": None, "Transfer_Encoding": None}
        if seen.method != "HEAD":
            changes["Content_Length"] = str(len(body))
        if isinstance(action, Rewrite):
            changes |= {key.replace("-", "_"): value for key, value in action.headers.items()}
            if action.status is not None:
                answer.first = f"HTTP/1.1 {action.status} Status"
            if action.flip and body:
                body = bytes([body[0] ^ 1]) + body[1:]
        writer.write(answer.encode(**changes))
        if isinstance(action, CutAfter | HangAfter):
            body = body[: action.count]
        if isinstance(action, Drip):
            for number in range(len(body)):
                writer.write(body[number : number + 1])
                await writer.drain()
                await asyncio.sleep(action.pause_s)
            return
        writer.write(body)
        await writer.drain()
        if isinstance(action, HangAfter):
            await reader.read()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


async def _read_head(reader: asyncio.StreamReader) -> _Head | None:
    try:
        first_byte = await reader.readexactly(1)
        if first_byte == _TLS_RECORD:
            return None
        text = (first_byte + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = text.rstrip("\r\n").split("\r\n")
    return _Head(
        first, [(key, value.strip()) for key, _, value in (x.partition(":") for x in lines)]
    )


async def _body(
    head: _Head, reader: asyncio.StreamReader, *, method: str | None
) -> AsyncIterator[bytes]:
    """Yield a body; ``method`` is that of the request if ``head`` is of an answer."""
    is_answer = method is not None
    if is_answer and (method == "HEAD" or head.first.split(" ")[1] in {"204", "304"}):
        return
    if head.get("transfer-encoding").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    elif head.get("content-length"):
        yield await reader.readexactly(int(head.get("content-length")))
    elif is_answer:
        yield await reader.read()
