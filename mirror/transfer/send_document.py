"""Send a document that is in memory, without a copy of it for each client."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from mirror.transfer.channels import (
    Socket,
    Stream,
    client_progress,
    cut_off,
    is_plain_socket,
)
from mirror.transfer.client_progress import check_interval_s
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from mirror.transfer.channels import Channel

SMALL_BYTES: Final = MIB // 16
"""A document up to this size is copied for each client, which costs less than a transfer."""


async def send_document(
    request: web.Request, response: web.StreamResponse, document: bytes
) -> None:
    """Send a response whose body is a document.

    aiohttp would copy the whole document into the buffers of each connection, and keep the copy
    until the client has read it.

    Args:
        request: The request that is answered.
        response: The response; its headers are set, and nothing has been written.
        document: The body.

    Raises:
        ConnectionError: The connection is closed.
        TimeoutError: The client has stalled, or is too slow; its connection was closed.
    """
    await response.prepare(request)
    try:
        if is_plain_socket(request):
            await _send(await Socket.of(request), document)
        else:
            with _small_buffer(request):
                client = client_progress(request)
                await _send(Stream(response, client, piece_bytes=SMALL_BYTES), document)
    except BaseException:
        cut_off(request)
        raise
    await response.write_eof()


async def _send(channel: Channel, document: bytes) -> None:
    with closing(channel):
        view, sent = memoryview(document), 0
        while sent < len(view):
            sent += await channel.send(view[sent:], check_interval_s())
        await channel.drain()


@contextmanager
def _small_buffer(request: web.Request) -> Iterator[None]:
    """Limit the bytes that the transport buffers; with TLS, the loop's default is 512 KiB."""
    transport = request.transport
    if transport is None:
        yield
        return
    transport.set_write_buffer_limits(high=SMALL_BYTES)
    try:
        yield
    finally:
        if not transport.is_closing():
            # A closed transport has no protocol that could resume writing.
            transport.set_write_buffer_limits()
