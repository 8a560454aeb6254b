"""Refuse requests that cannot reach a handler: invalid HTTP, and unsupported features of HTTP.

aiohttp refuses most of these requests itself. This module gives the refusals the form of the
distribution specification.
"""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import HttpProcessingError, HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import _ErrInfo

from mirror.access.throttle import client_network
from mirror.connections.incomplete_heads import HEAD_TIMEOUT_S, IncompleteHeads
from mirror.process.logs import reason
from mirror.protocol.errors import WireError
from store.formats.distribution.errors import ErrorCode

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, BaseTransport, TimerHandle

    from aiohttp import StreamReader

COMMON_HEADERS: Final = {
    "Docker-Distribution-Api-Version": "registry/2.0",
    "X-Content-Type-Options": "nosniff",
    "Server": "storectl",
}
"""Headers of every answer.

Without ``Server``, aiohttp would send its own version and the version of Python.
"""

MAX_LINE_BYTES: Final = 16 * 1024
MAX_FIELD_BYTES: Final = 32 * 1024
MAX_HEAD_BYTES: Final = 128 * 1024
"""The limits of a request's first line, of one header field, and of the whole head.

The limit of the head is approximate: a request may exceed it by the size of one read.
"""

_MAX_QUEUED: Final = 2
"""How many requests may wait on one connection; with more, reading from it pauses."""

_TOO_MANY_HEADERS: Final = "Too many headers received"
_CODES: Final = {
    404: ErrorCode.UNSUPPORTED,
    414: ErrorCode.SIZE_INVALID,
    417: ErrorCode.UNSUPPORTED,
    431: ErrorCode.SIZE_INVALID,
    501: ErrorCode.UNSUPPORTED,
    505: ErrorCode.UNSUPPORTED,
}
_MESSAGES: Final = {
    404: "unknown endpoint",
    414: f"the first line of the request has more than {MAX_LINE_BYTES} bytes",
    417: "unsupported Expect header: only 100-continue is supported",
    431: (
        f"the headers are too large or too many: at most {MAX_FIELD_BYTES} bytes per field and"
        f" {MAX_HEAD_BYTES} bytes in all allowed"
    ),
    500: "the registry failed",
    501: "unsupported Transfer-Encoding: only chunked is supported",
    504: "the registry took too long",
    505: "unsupported HTTP version: only HTTP/1.0 and HTTP/1.1 are supported",
}


@final
class StrictRequestHandler(web.RequestHandler):
    """aiohttp's protocol with bounded memory, and with refusals in the specification's form."""

    __slots__ = ("_body", "_head_bytes", "_head_deadline", "_heads", "network")

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: AbstractEventLoop,
        heads: IncompleteHeads | None = None,
        **options: object,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            **options,  # type: ignore[arg-type] # aiohttp's own
        )
        # By default aiohttp reads on until 32 requests wait, with megabytes of heads.
        self._max_msg_queue_size = _MAX_QUEUED
        self._msg_queue_resume_size = _MAX_QUEUED - 1
        self._body: StreamReader | None = None
        self._head_bytes = 0
        self._head_deadline: TimerHandle | None = None
        self._heads = heads or IncompleteHeads()
        self.network = ""

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin a connection.

        Args:
            transport: The transport of the connection.
        """
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.network = client_network(peer[0] if isinstance(peer, tuple) else None)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End a connection.

        Args:
            exc: The error that ended the connection; None if it was closed without an error.
        """
        self._end_head()
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse bytes that the client has sent.

        A body with invalid chunks ends at the error, and a head that is too long is refused.
        """
        if self._close or self._force_close:
            return
        queued, in_body = len(self._messages), self._body is not None and not self._body.is_eof()
        super().data_received(data)
        if len(self._messages) > queued:
            self._end_head()
            self._check_new(queued)
        elif in_body:
            self._end_head()
        elif data:
            self._note_head(len(data))

    def _note_head(self, size_bytes: int) -> None:
        if not self._head_bytes:
            self._head_deadline = self._loop.call_later(HEAD_TIMEOUT_S, self._head_timed_out)
        self._head_bytes += size_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end_head()
            self._refuse_head()
        else:
            self._heads.note(self, size_bytes)

    def _end_head(self) -> None:
        if self._head_bytes:
            self._head_bytes = 0
            self._heads.forget(self)
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_timed_out(self) -> None:
        if self._current_request is None and not self._messages:
            self.cut_off()
        else:
            # Reading pauses while earlier requests of the client wait for their answers.
            self._head_deadline = self._loop.call_later(HEAD_TIMEOUT_S, self._head_timed_out)

    def _check_new(self, queued: int) -> None:
        """Refuse new requests that are unsupported, and end a body that is not valid HTTP.

        Each new message in the queue is a request or an error of aiohttp's parser. The last request
        may be incomplete: bytes of its body may still be missing.

        Args:
            queued: How many messages were in the queue before.
        """
        for number, (message, body) in enumerate(islice(self._messages, queued, None), queued):
            if not isinstance(message, _ErrInfo):
                self._body = body
                status = _unsupported(message)
                if status is not None:
                    self._messages[number] = (
                        _ErrInfo(status, HttpProcessingError(message=_message(status)), ""),
                        EMPTY_PAYLOAD,
                    )
            elif self._body is not None and not self._body.is_eof():
                # aiohttp sends its refusal after the answer to the previous request. The handler of
                # that request would wait for a body that aiohttp no longer reads.
                self._body.set_exception(web.RequestPayloadError("the body is not valid HTTP"))
                self._body.feed_eof()

    def _refuse_head(self) -> None:
        self._messages.append(
            (
                _ErrInfo(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    HttpProcessingError(message="Head too long"),
                    "",
                ),
                EMPTY_PAYLOAD,
            )
        )
        # The bytes after it are ignored.
        self._close = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to an invalid request, or to a request whose handler failed.

        Args:
            request: The request; without a path and headers if it was not valid HTTP.
            status: The HTTP status that aiohttp chose.
            exc: The error of the parser or the handler; None if there is none.
            message: The message of aiohttp, which the answer does not contain.

        Raises:
            ConnectionError: The handler had already begun its answer.
        """
        # This logs the error.
        super().handle_error(request, status, exc, message)
        status = _status(status, exc)
        if status == HTTPStatus.BAD_REQUEST and isinstance(exc, HttpProcessingError):
            return refusal(status, f"the request is not valid HTTP: {reason(exc)}", closes=True)
        return refusal(status, _message(status), closes=True)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, or a refusal for an exception that aiohttp raised.

        Args:
            request: The request that is answered.
            resp: The answer, or an `HTTPException`, which aiohttp treats as an answer.
            start_time: The loop's time at which the request began, in seconds; None if unknown.
        """
        if isinstance(resp, web.HTTPException):
            resp = refusal(resp.status, _message(resp.status))
        return await super().finish_response(request, resp, start_time)


def refusal(status: int, message: str, *, closes: bool = False) -> web.Response:
    """Return an answer to a request that no handler has seen.

    Args:
        status: The HTTP status; it also determines the error code.
        message: The sentence in the body.
        closes: Whether to close the connection after the answer.
    """
    body = WireError(status, _CODES.get(status, ErrorCode.UNKNOWN), message).body
    answer = web.Response(
        status=status, body=body, headers=COMMON_HEADERS, content_type="application/json"
    )
    if closes:
        answer.headers["Connection"] = "close"
        answer.force_close()
    return answer


def _unsupported(message: RawRequestMessage) -> HTTPStatus | None:
    """Return the error status for an unsupported HTTP version or transfer coding.

    aiohttp itself accepts the request. Return None if the version and the coding are supported.

    Spec: RFC 9110 section 15.6.6, RFC 9112 section 6.1.
    """
    if message.version not in (HttpVersion10, HttpVersion11):
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    if message.chunked and message.headers["Transfer-Encoding"].lower() != "chunked":
        return HTTPStatus.NOT_IMPLEMENTED
    return None


def _message(status: int) -> str:
    return _MESSAGES.get(status) or HTTPStatus(status).phrase.lower()


def _status(status: int, exc: BaseException | None) -> int:
    """Return 414 or 431, instead of aiohttp's 400, if a line or a header is too long."""
    if isinstance(exc, LineTooLong):
        return (
            HTTPStatus.REQUEST_URI_TOO_LONG
            if exc.args[1] == MAX_LINE_BYTES
            else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        )
    if isinstance(exc, HttpProcessingError) and exc.message == _TOO_MANY_HEADERS:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return status
