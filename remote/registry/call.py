"""One request to a registry, described; and its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from remote.errors import InvalidAnswer, ManifestNotFound, RegistryError, Unreachable
from remote.http.faults import NETWORK_ERRORS, Fault, place, translate
from remote.http.large_bodies import LargeBody
from remote.http.pace import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping

    import aiohttp
    from multidict import CIMultiDictProxy
    from yarl import URL

    from remote.auth.scopes import Scopes
    from remote.http.transport import Transport

_OK: Final = frozenset({200})
_MAX_DIGITS: Final = 20
_ERROR_BYTES: Final = 64 * 1024
_ERROR_TIMEOUT_S: Final = 10.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to a registry.

    Args:
        method: The method.
        path: The path below ``/v2/``, without percent-encoding; or the absolute URL that an answer
            of the registry named.
        action: The words of errors: ``read manifest registry.example/app:1``.
        registry: The registry, for errors.
        repository: The repository, for errors and credentials; empty for the registry itself.
        scopes: The permissions that the request needs.
        query: The parameters.
        headers: The headers, except those that every request has.
        body: The body, or a function that begins it again for each attempt.
        accepted: The statuses of success. All others are errors.
        not_found: The class of the error for status 404.
        answer_timeout_s: The longest silence before the answer, in seconds; None for the usual one.
        is_repeatable: Whether the request may be sent again after a fault.
    """

    method: str
    path: str | URL
    action: str
    registry: str
    repository: str = ""
    scopes: Scopes = ()
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Callable[[], AsyncIterable[bytes]] | None = None
    accepted: frozenset[int] = _OK
    not_found: type[RegistryError] = ManifestNotFound
    answer_timeout_s: float | None = None
    is_repeatable: bool = True

    def fault(self, kind: type[RegistryError], reason: str, **more: object) -> RegistryError:
        """Return an error about this request.

        Args:
            kind: The class of the error.
            reason: The fact, which the message ends with.
            more: Further arguments of the class.
        """
        return kind(
            f"cannot {self.action}: {reason}",
            registry=self.registry,
            repository=self.repository,
            **more,  # type: ignore[arg-type]
        )


@final
class Answer:
    """An answer of a registry, whose body has not been read.

    Attributes:
        status: The status.
        headers: The headers.
        url: The URL that answered, after redirects.
    """

    def __init__(self, call: Call, response: aiohttp.ClientResponse, transport: Transport) -> None:
        self.status = response.status
        self.headers: CIMultiDictProxy[str] = response.headers
        self.url = response.url
        self._call = call
        self._response = response
        self._transport = transport

    @property
    def reason(self) -> str:
        """The status with its phrase: ``404 Not Found``."""
        return f"{self.status} {self._response.reason or ''}".rstrip()

    @property
    def length_bytes(self) -> int | None:
        """The length of the body that the headers state; None if they state none."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS else None

    async def read(self, max_bytes: int) -> bytes:
        """Return the whole body.

        Args:
            max_bytes: The ceiling for its length.

        Raises:
            InvalidAnswer: The body is longer.
            Fault: The connection ended.
        """
        pieces, size = [], 0
        async for piece in self.chunks():
            size += len(piece)
            if size > max_bytes:
                raise self._call.fault(
                    InvalidAnswer, f"the answer is larger than the limit of {max_bytes} bytes"
                )
            pieces.append(piece)
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            Fault: The connection ended before the body, or was silent or too slow for too long.
        """
        settings = self._transport.settings
        clock = settings.timing.monotonic
        pace = Pace(settings.least_bytes_s, settings.least_window_s)
        pieces = self._pieces()
        try:
            while not pace.is_slow:
                began = clock()
                piece = await anext(pieces, None)
                if piece is None:
                    return
                pace.note(len(piece), clock() - began)
                yield piece
        except NETWORK_ERRORS as fault:
            raise translate(
                fault,
                action=self._call.action,
                url=self.url,
                registry=self._call.registry,
                repository=self._call.repository,
            ) from fault
        reason = (
            f"{place(self.url)} sends fewer than {settings.least_bytes_s} bytes a second, for"
            f" {settings.least_window_s:g} s"
        )
        raise Fault(self._call.fault(Unreachable, reason), is_transient=True, is_slow=True)

    def _pieces(self) -> AsyncIterator[bytes]:
        # Pieces that are not large pass a limit more evenly.
        if not self._transport.rate.is_limited:
            idle_timeout_s = self._transport.settings.idle_timeout_s
            large = LargeBody.take_over(self._response, idle_timeout_s=idle_timeout_s)
            if large is not None:
                return large.pieces()
        return self._response.content.iter_any()

    async def error_body(self) -> bytes:
        """Return the beginning of a body that reports an error; empty if it cannot be read."""
        pieces, size = [], 0
        try:
            async with asyncio.timeout(_ERROR_TIMEOUT_S):
                async for piece in self._response.content.iter_any():
                    pieces.append(piece)
                    size += len(piece)
                    if size >= _ERROR_BYTES:
                        break
        except NETWORK_ERRORS:
            pass
        return b"".join(pieces)[:_ERROR_BYTES]

    def release(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        self._response.release()
