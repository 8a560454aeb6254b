"""What aiohttp refuses by itself, in the specification's words: no handler of ours hears of a request that is no HTTP, or expects what nobody knows."""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import HttpProcessingError, HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import _ErrInfo

from mirror.process.logs import reason
from mirror.protocol.errors import WireError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from aiohttp import StreamReader

ALWAYS: Final = {
    "Docker-Distribution-Api-Version": "registry/2.0",
    "X-Content-Type-Options": "nosniff",
    "Server": "storectl",
}
"""What every answer says.

Without ``Server``, aiohttp would tell which versions of itself and of Python there are.
"""

LINE_BYTES: Final = 16 * 1024
FIELD_BYTES: Final = 32 * 1024
HEAD_BYTES: Final = 128 * 1024
"""Of the first line of a request, of one field behind it, and of all together (and what one read may bring beyond)."""

_QUEUED: Final = 2
"""Requests that wait until the one before them is answered; then no more is read."""

_TOO_MANY: Final = "Too many headers received"
_CODES: Final = {
    404: "UNSUPPORTED",
    414: "SIZE_INVALID",
    417: "UNSUPPORTED",
    431: "SIZE_INVALID",
    501: "UNSUPPORTED",
    505: "UNSUPPORTED",
}
_SAID: Final = {
    404: "there is nothing at this path",
    414: f"a first line of more than {LINE_BYTES} bytes",
    417: "of what can be expected only 100-continue is known",
    431: f"a field of more than {FIELD_BYTES} bytes, more than {HEAD_BYTES} together, or too many",
    500: "the registry failed",
    501: "of transfer codings only chunked is known",
    504: "the registry took too long",
    505: "this is HTTP/1.1",
}


@final
class StrictRequestHandler(web.RequestHandler):
    """aiohttp's side of a connection, whose own answers look like everybody's, and which holds no more of what a client sends than it has to."""

    __slots__ = ("_body", "_head_bytes")

    def __init__(self, manager: web.Server, *, loop: AbstractEventLoop, **options: object) -> None:
        super().__init__(
            manager,
            loop=loop,
            max_line_size=LINE_BYTES,
            max_field_size=FIELD_BYTES,
            **options,  # type: ignore[arg-type] # aiohttp's own
        )
        # aiohttp would read on until 32 requests wait for their turn, with heads of megabytes.
        self._max_msg_queue_size = _QUEUED
        self._msg_queue_resume_size = _QUEUED - 1
        self._body: StreamReader | None = None
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """More has come.

        A body that can be read no further ends there, and a head that does not end is refused.
        """
        if self._close or self._force_close:
            return
        queued, in_body = len(self._messages), self._body is not None and not self._body.is_eof()
        super().data_received(data)
        if len(self._messages) > queued:
            self._head_bytes = 0
            self._begun(queued)
        elif in_body:
            self._head_bytes = 0
        else:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse_head()

    def _begun(self, queued: int) -> None:
        """Requests came whole, but for the body of the last one; or what is none."""
        for number, (message, body) in enumerate(islice(self._messages, queued, None), queued):
            if not isinstance(message, _ErrInfo):
                self._body = body
                status = _unknown(message)
                if status is not None:
                    self._messages[number] = (
                        _ErrInfo(status, HttpProcessingError(message=_said(status)), ""),
                        EMPTY_PAYLOAD,
                    )
            elif self._body is not None and not self._body.is_eof():
                # aiohttp keeps its refusal for when the request before it is answered, whose body
                # would wait for what is not taken any more.
                self._body.set_exception(web.RequestPayloadError("the body is no HTTP"))
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
        # Nothing that comes behind it is looked at.
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
        """The answer to what could not be read, or to a handler that failed.

        Raises ConnectionError when there was one already.
        """
        # aiohttp logs it.
        super().handle_error(request, status, exc, message)
        status = _status(status, exc)
        if status == HTTPStatus.BAD_REQUEST and isinstance(exc, HttpProcessingError):
            return refusal(status, f"the request is no HTTP: {reason(exc)}", closes=True)
        return refusal(status, _said(status), closes=True)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what aiohttp raised instead of one is put as ours are."""
        if isinstance(resp, web.HTTPException):
            resp = refusal(resp.status, _said(resp.status))
        return await super().finish_response(request, resp, start_time)


def refusal(status: int, said: str, *, closes: bool = False) -> web.Response:
    """An answer to what no handler has heard of; with ``closes`` it is the connection's last."""
    body = WireError(status, _CODES.get(status, "UNKNOWN"), said).body
    answer = web.Response(status=status, body=body, headers=ALWAYS, content_type="application/json")
    if closes:
        answer.headers["Connection"] = "close"
        answer.force_close()
    return answer


def _unknown(message: RawRequestMessage) -> HTTPStatus | None:
    """What to answer to a version or a coding that aiohttp lets pass as if it knew it (RFC 9110 section 15.6.6, RFC 9112 section 6.1)."""
    if message.version not in (HttpVersion10, HttpVersion11):
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    if message.chunked and message.headers["Transfer-Encoding"].lower() != "chunked":
        return HTTPStatus.NOT_IMPLEMENTED
    return None


def _said(status: int) -> str:
    return _SAID.get(status) or HTTPStatus(status).phrase.lower()


def _status(status: int, exc: BaseException | None) -> int:
    """Aiohttp calls all of it a bad request, also what is too long: of what, only the limit tells."""
    if isinstance(exc, LineTooLong):
        return (
            HTTPStatus.REQUEST_URI_TOO_LONG
            if exc.args[1] == LINE_BYTES
            else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        )
    if isinstance(exc, HttpProcessingError) and exc.message == _TOO_MANY:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return status
