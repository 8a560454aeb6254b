"""HTTP/1.1 over a bare socket, with requests as malformed as a test needs.

Answers have to follow RFC 9112 exactly. A client library tolerates much: it waits for more bytes of
a truncated body, and does not see bytes after an answer.
"""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self, final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Sequence

_STATUS: Final = re.compile(
    rb"HTTP/(?P<version>[0-9]\.[0-9]) (?P<status>[1-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*"
)
_VALUE: Final = rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?"
_FIELD: Final = re.compile(
    rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>(?:" + _VALUE + rb")?)[ \t]*"
)
_CHUNK: Final = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,16})(?:;[^\r\n]*)?")
_NO_BODY: Final = frozenset({204, 304})


class BrokenFraming(Exception):
    """The server's bytes are not HTTP, or their number differs from the announced length."""


class Closed(Exception):
    """The server closed the connection before the first byte of an answer."""


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; the names of ``fields`` are in lower case."""

    status: int
    fields: Sequence[tuple[str, str]]
    body: bytes = b""
    version: str = "1.1"
    """The status line's HTTP version: the request's, or 1.0 if the request is unreadable."""

    def header(self, name: str) -> str | None:
        """Return a field's value, or None if the field is missing.

        Raises:
            BrokenFraming: The field is repeated.
        """
        found = [value for key, value in self.fields if key == name.lower()]
        if len(found) > 1:
            raise BrokenFraming(f"{name} {len(found)} times: {found}")
        return found[0] if found else None

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)

    @property
    def stays_open(self) -> bool:
        """Whether the connection stays open for a further request."""
        said = (self.header("connection") or "").lower()
        return said != "close" if self.version >= "1.1" else said == "keep-alive"


@final
@dataclass(slots=True)
class RawConnection:
    """A connection to the mirror."""

    port: int
    timeout_s: float = 60.0
    """Seconds to wait: fewer than `mirror.server.KEEPALIVE_S`, so that `ends` sees no idle timeout.
    """
    context: ssl.SSLContext | None = None
    socket: socket.socket = field(init=False)
    _held: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        """Open the connection."""
        self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout_s)
        if self.context is not None:
            self.socket = self.context.wrap_socket(self.socket, server_hostname="127.0.0.1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection in both directions."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes unchanged."""
        self.socket.sendall(data)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        fields: Iterable[tuple[str, str]] = (),
    ) -> Reply:
        """Send a well-formed request; return the answer."""
        self.send(request(method, target, body, fields))
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """Read and return the next answer to a request with ``method``; skip interim answers (1xx).

        Raises:
            BrokenFraming: The answer is not HTTP.
            Closed: The connection ended before the answer.
            TimeoutError: The answer does not arrive in time.
        """
        while True:
            head = self._head()
            if head.status >= 200:
                return replace(head, body=self._body(head, method))

    def is_silent(self, for_s: float = 0.05) -> bool:
        """Return whether the server sent no byte outside of an answer, within ``for_s`` seconds."""
        if self._held:
            return False
        self.socket.settimeout(for_s)
        try:
            self._held += self.socket.recv(65536)
        except (TimeoutError, BlockingIOError):
            return True
        finally:
            self.socket.settimeout(self.timeout_s)
        return not self._held

    def ends(self) -> bool:
        """Return whether the server closes the connection in time, without sending another byte."""
        try:
            return not self._held and self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    # --- reading ----------------------------------------------------------------------------------

    def _head(self) -> Reply:
        line = self._line(first=True)
        match = _STATUS.fullmatch(line)
        if match is None:
            raise BrokenFraming(f"expected a status line: {line[:200]!r}")
        fields: list[tuple[str, str]] = []
        while line := self._line():
            found = _FIELD.fullmatch(line)
            if found is None:
                raise BrokenFraming(f"expected a header field: {line[:200]!r}")
            fields.append((found["name"].decode().lower(), found["value"].decode("latin-1")))
        return Reply(int(match["status"]), fields, version=match["version"].decode())

    def _body(self, reply: Reply, method: str) -> bytes:
        length, coding = reply.header("content-length"), reply.header("transfer-encoding")
        if coding is not None and (length is not None or coding.lower() != "chunked"):
            raise BrokenFraming(f"Transfer-Encoding {coding!r} and Content-Length {length!r}")
        if length is not None and re.fullmatch("0|[1-9][0-9]{0,18}", length) is None:
            raise BrokenFraming(f"Content-Length {length!r}")
        if method == "HEAD" or reply.status in _NO_BODY:
            return b""
        if coding is not None:
            return self._chunks()
        if length is None:
            raise BrokenFraming("neither Content-Length nor chunks")
        return self._exactly(int(length))

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            line = self._line()
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise BrokenFraming(f"expected a chunk: {line[:200]!r}")
            size = int(match["size"], 16)
            if size == 0:
                while self._line():
                    pass
                return bytes(body)
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise BrokenFraming("a chunk is longer than its announced size")

    def _line(self, *, first: bool = False) -> bytes:
        while (end := self._held.find(b"\r\n")) < 0:
            if len(self._held) > 65536:
                raise BrokenFraming("a line that does not end")
            self._receive(first=first and not self._held)
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            self._receive()
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    def _receive(self, *, first: bool = False) -> None:
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionError as exc:
            raise (
                Closed(str(exc)) if first else BrokenFraming(f"in the middle of an answer: {exc}")
            ) from exc
        if not data:
            raise (
                Closed if first else BrokenFraming("the connection ends in the middle of an answer")
            )
        self._held += data


def request(
    method: str, target: str, body: bytes | None = None, fields: Iterable[tuple[str, str]] = ()
) -> bytes:
    """Return the bytes of a request, with Host, and with Content-Length if it has a body."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {value}" for name, value in fields),
    ]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def chunked(*pieces: bytes) -> bytes:
    """Return ``pieces`` in the chunked transfer coding."""
    return (
        b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"
    )
