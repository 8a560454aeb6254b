"""HTTP over the socket of a Docker engine. Nothing here reads the environment.

Source: Docker Engine API, v1.40 and later. The paths have no version, so that an engine of any
version answers.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from store.errors import InvalidInput, NotFound, Unavailable, printable
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_SOCKET: Final = Path("/var/run/docker.sock")
MAX_ANSWER_BYTES: Final = 64 * MIB
"""The largest answer that is read into memory."""

TIMEOUT_S: Final = 600.0
"""How long an engine may be silent, in seconds: it unpacks a large layer without a word."""

_MAX_MESSAGE: Final = 300
_MAX_PATH_BYTES: Final = 107
"""The longest path of a Unix socket."""


class EngineUnavailable(Unavailable):
    """A Docker engine that cannot be reached, or that ends an answer early."""


class EngineRefused(InvalidInput):
    """A request that a Docker engine refuses."""


class EngineImageNotFound(NotFound):
    """An image that a Docker engine does not have."""


def socket_path(host: str) -> Path:
    """Return the path of the socket that the text of ``DOCKER_HOST`` names.

    Args:
        host: The text; empty for the default of docker.

    Raises:
        InvalidInput: The engine is not reached through a socket of this machine.
    """
    if not host:
        return DEFAULT_SOCKET
    scheme, separator, path = host.partition("://")
    if scheme != "unix" or not separator or not path.startswith("/"):
        raise InvalidInput(
            f"cannot use the Docker engine {printable(host[:_MAX_MESSAGE])}: it is not a socket of"
            " this machine",
            hint="set DOCKER_HOST to a socket, as in unix:///var/run/docker.sock",
        )
    if len(path.encode()) > _MAX_PATH_BYTES:
        raise InvalidInput(f"invalid path of a socket: it is longer than {_MAX_PATH_BYTES} bytes")
    return Path(path)


@final
class UnixConnection(http.client.HTTPConnection):
    """A connection to a socket of this machine.

    Args:
        path: The socket.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))

    def end(self) -> None:
        """Close the connection, also while another thread uses it."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        self.close()


@contextmanager
def connected(path: Path) -> Iterator[UnixConnection]:
    """Open a connection to an engine, and turn the faults of the connection into errors.

    Args:
        path: The socket.

    Raises:
        EngineUnavailable: The engine cannot be reached, or breaks the protocol.
    """
    connection = UnixConnection(path)
    try:
        with faults(path):
            connection.connect()
            yield connection
    finally:
        connection.end()


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn faults of a connection into errors that name the socket.

    Args:
        path: The socket.

    Raises:
        EngineUnavailable: The block raised a fault.
    """
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise EngineUnavailable(
            f"cannot use the Docker engine at {printable(str(path))}:"
            f" {printable((reason or type(error).__name__)[:_MAX_MESSAGE])}",
            hint="check that the engine runs, and that you may use its socket (DOCKER_HOST)",
        ) from error


def ask(path: Path, target: str) -> Any:  # noqa: ANN401 - JSON
    """Send a GET request, and return the JSON of the answer.

    Args:
        path: The socket.
        target: The path and query of the request.

    Raises:
        EngineImageNotFound: The engine answers 404.
        EngineRefused: It answers with another error.
        EngineUnavailable: It cannot be reached, or its answer is too large or not JSON.
    """
    with connected(path) as connection:
        connection.request("GET", target)
        answer = connection.getresponse()
        data = answer.read(MAX_ANSWER_BYTES + 1)
        if len(data) > MAX_ANSWER_BYTES:
            raise EngineUnavailable(f"the engine's answer has more than {MAX_ANSWER_BYTES} bytes")
        require_success(answer.status, data)
        return parsed(data)


def require_success(status: int, data: bytes) -> None:
    """Raise the error that an answer reports.

    Args:
        status: The status of the answer.
        data: Its body.

    Raises:
        EngineImageNotFound: The status is 404.
        EngineRefused: The status is another error.
    """
    if status == http.client.OK:
        return
    try:
        message = parsed(data)["message"]
    except (EngineUnavailable, LookupError, TypeError):
        message = data.decode(errors="replace").strip()
    said = printable(str(message)[:_MAX_MESSAGE]) or f"it answers {status}"
    if status == http.client.NOT_FOUND:
        raise EngineImageNotFound(f"the Docker engine does not have the image: {said}")
    raise EngineRefused(f"the Docker engine refuses the request: {said}")


def parsed(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the value of a JSON text.

    Raises:
        EngineUnavailable: The text is not JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise EngineUnavailable("the engine's answer is not JSON") from None


@final
class Body(io.RawIOBase):
    """The body of an answer as a stream; faults of the connection become errors.

    Args:
        path: The socket.
        answer: The answer.
    """

    def __init__(self, path: Path, answer: http.client.HTTPResponse) -> None:
        self._path = path
        self._answer = answer

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - as in io
        """Read bytes into a buffer; return 0 at the end."""
        with faults(self._path):
            count = self._answer.readinto(buffer)
            if not count and len(buffer) and self._answer.length:
                raise http.client.IncompleteRead(b"", self._answer.length)
            return count
