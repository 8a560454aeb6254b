"""``Expect: 100-continue``: the client sends its body only after the server has asked for it.

A request that is refused by its headers is answered without that, so its body is never sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11, web

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


async def check(request: web.Request) -> None:
    """Refuse other expectations. The body is not asked for yet; see `ask_for_body`.

    Args:
        request: A request with the header ``Expect``.

    Raises:
        HTTPExpectationFailed: The client expects something that no server supports.
    """
    if request.version >= HttpVersion11 and not _is_expected(request):
        raise web.HTTPExpectationFailed(text="unsupported Expect header")


async def ask_for_body(request: web.Request) -> None:
    """Ask the client for its body, if the client waits for that. Call this before the body is read.

    Args:
        request: Any request.
    """
    if request.version < HttpVersion11 or not _is_expected(request):
        return
    # The attribute is public, but the type of requests does not list it.
    writer: AbstractStreamWriter = request.writer
    await writer.write(_CONTINUE)
    # The answer itself has not begun.
    writer.output_size = 0


def _is_expected(request: web.Request) -> bool:
    return request.headers.get("Expect", "").lower() == "100-continue"
