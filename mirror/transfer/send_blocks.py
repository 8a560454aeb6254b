"""Send content that is produced block by block during the transfer, such as a decoded layer."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, final

from mirror.transfer.channels import (
    Channel,
    Socket,
    Stream,
    client_progress,
    cut_off,
    drained_transport,
    is_plain_socket,
)
from mirror.transfer.decoding_account import DecodingRefusedError
from mirror.transfer.threads import run
from store.formats.compression.memory import DecodersBusy

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from aiohttp import web

    from mirror.transfer.block_memory import BlockMemory, Loan
    from mirror.transfer.decoding_account import DecodingAccount
    from store.content.blocks import Blocks

HEAD_AFTER_S: Final = 1.0
"""The processor time after which a response begins although it has no bytes yet, in seconds."""

LOOK_S: Final = 1.0
"""How often to check whether a client that has to wait has left, in seconds."""

BUSY_S: Final = 20.0
"""How long to wait for the memory of a decoder before the response is an error, in seconds."""

BUSY_LOOK_S: Final = 0.1
"""How often to look for the memory of a decoder, in seconds."""


async def send_blocks(
    request: web.Request,
    response: web.StreamResponse,
    pool: Executor,
    memory: BlockMemory,
    blocks: Blocks,
    start: int,
    stop: int,
    *,
    account: DecodingAccount | None = None,
) -> None:
    """Send a response whose body is a range of content that is read in blocks.

    The response begins after the first block has been read, so that an earlier error can still
    become the response. If it takes long to decode the bytes before the range, the response begins
    earlier, so that a client that has left is noticed. A later error closes the connection, so that
    the client notices the error.

    Args:
        request: The request that is answered.
        response: The response; its headers are set, and nothing has been written.
        pool: The threads that read blocks.
        memory: The memory blocks that all transfers share.
        blocks: The content, in blocks; the body is a range of the content.
        start: The offset of the body's first byte in the content.
        stop: The offset after the body's last byte.
        account: The client's account for bytes that are decoded and skipped; None for no limit.

    Raises:
        DecodingRefusedError: The client has spent its processor time, and the response has not
            begun.
        DecodersBusy: Other transfers use the memory for decoders, and the response has not begun.
        ConnectionError: The connection is closed.
        TimeoutError: The client has stalled; its connection was closed.
        DamagedContent: Stored bytes no longer have their digest. The connection was closed if the
            response had begun.
        ContentMissing: A stored file is missing. The connection was closed if the response had
            begun.
    """
    channel: Channel | None = None
    if is_plain_socket(request):
        # Wait without a block: the client may not have read earlier responses yet.
        try:
            await drained_transport(request)
        except (ConnectionError, TimeoutError):
            cut_off(request)
            raise
    skipping = _Skipping(account)
    try:
        while start < stop:
            await skipping.wait(request, response)
            with await memory.lend() as loan:
                view = await _read(pool, blocks, start, loan.buffer, skipping)
                if not view and not skipping.is_long:
                    continue
                view = view[: stop - start]
                if channel is None:
                    channel = await _begin(request, response)
                start += await _send(channel, view, loan, memory.patience_s)
                view.release()
            await channel.drain()
    except BaseException:
        if response.prepared:
            cut_off(request)
        raise
    finally:
        if channel is not None:
            channel.close()
    if channel is None:
        await response.prepare(request)
    await response.write_eof()


async def _begin(request: web.Request, response: web.StreamResponse) -> Channel:
    """Send the head of the response, and return the channel for its body."""
    await response.prepare(request)
    if is_plain_socket(request):
        return await Socket.of(request)
    return Stream(response, client_progress(request))


async def _send(channel: Channel, view: memoryview, loan: Loan, patience_s: float) -> int:
    """Send bytes until the turn of the transfer is over; return the number of bytes sent."""
    sent = 0
    while sent < len(view) and not loan.is_due:
        sent += await channel.send(view[sent:], patience_s)
    return sent


async def _read(
    pool: Executor, blocks: Blocks, start: int, buffer: bytearray, skipping: _Skipping
) -> memoryview:
    """Read a block; an empty result means to try again."""
    try:
        view, processor_s = await run(pool, _timed_read, blocks, start, buffer)
    except DecodersBusy as exc:
        skipping.note_busy(exc)
        return memoryview(b"")
    if not view:
        skipping.note(processor_s)
    return view


def _timed_read(blocks: Blocks, start: int, buffer: bytearray) -> tuple[memoryview, float]:
    """Read a block; return it with the processor time that the read took, in seconds."""
    began = time.thread_time()
    view = blocks.read_into(start, buffer)
    return view, time.thread_time() - began


@final
class _Skipping:
    """The reads of one transfer that gave no bytes, because bytes before them are decoded."""

    def __init__(self, account: DecodingAccount | None) -> None:
        self._account = account
        self._spent_s = 0.0
        self._has_more = False
        self._busy: DecodersBusy | None = None
        self._busy_looks = 0

    @property
    def is_long(self) -> bool:
        """Whether the response should begin although no byte of its body is decoded."""
        return self._spent_s >= HEAD_AFTER_S

    def note(self, processor_s: float) -> None:
        """Count the processor time of a read that only skipped bytes."""
        self._has_more = True
        self._spent_s += processor_s
        if self._account is not None:
            self._account.charge(processor_s)

    def note_busy(self, error: DecodersBusy) -> None:
        """Count a read that found no memory for its decoder."""
        self._has_more = True
        self._busy = error

    async def wait(self, request: web.Request, response: web.StreamResponse) -> None:
        """Wait until the client may skip more bytes. The first read is always allowed.

        Raises:
            ConnectionResetError: The client has closed the connection.
            DecodingRefusedError: The client has to wait, and the response has not begun.
            DecodersBusy: There was no memory for too long, and the response has not begun.
        """
        if self._busy is not None:
            self._busy_looks += 1
            if not response.prepared and self._busy_looks * BUSY_LOOK_S > BUSY_S:
                raise self._busy
            self._busy = None
            await asyncio.sleep(BUSY_LOOK_S)
        while self._has_more:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the client has closed the connection")
            wait_s = 0.0 if self._account is None else self._account.wait_s
            if not wait_s:
                self._has_more = False
            elif response.prepared:
                await asyncio.sleep(min(wait_s, LOOK_S))
            else:
                raise DecodingRefusedError(wait_s)
