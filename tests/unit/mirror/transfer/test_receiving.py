from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import pytest

from mirror.transfer import receiving
from mirror.transfer.block_memory import BodyMemory
from mirror.transfer.body_deadline import BodyDeadline
from mirror.transfer.receiving import receive
from tests.support.waiting import PATIENCE_S, until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import StreamReader

PIECE = 256 * 1024


class Body:
    """A request body that gives its pieces, then ends, raises an error or stalls."""

    def __init__(
        self, pieces: Sequence[bytes], *, error: Exception | None = None, stalls: bool = False
    ) -> None:
        self.given = 0
        self.buffer_bytes = receiving.READ_BYTES
        self._pieces = iter(pieces)
        self._error = error
        self._stalls = stalls

    def set_read_chunk_size(self, size_bytes: int) -> None:
        self.buffer_bytes = size_bytes

    async def readany(self) -> bytes:
        await asyncio.sleep(0)
        for piece in self._pieces:
            self.given += len(piece)
            return piece
        if self._stalls:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        return b""


def pieces(count: int) -> list[bytes]:
    return [number.to_bytes(2, "big") * (PIECE // 2) for number in range(count)]


async def received(
    body: Body,
    write: Callable[[bytes], None],
    *,
    pause_s: float = 600.0,
    memory: BodyMemory | None = None,
) -> None:
    with ThreadPoolExecutor(2) as pool:
        # The clock stands still, so that slow machines do not matter.
        deadline = BodyDeadline(pause_s, 500.0, lambda: 0.0)
        await receive(
            cast("StreamReader", body),
            deadline,
            pool,
            memory or BodyMemory(1 << 30),
            write,
            lambda _: None,
        )


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 100])
def test_all_bytes_are_written_in_order(count: int) -> None:
    written: list[bytes] = []
    asyncio.run(received(Body(pieces(count)), written.append))
    assert b"".join(written) == b"".join(pieces(count))


def test_only_one_thread_writes_at_a_time() -> None:
    lock = threading.Lock()

    def write(_data: bytes) -> None:
        assert lock.acquire(blocking=False)
        time.sleep(0.0005)
        lock.release()

    # The pieces need more than one turn of a thread.
    asyncio.run(received(Body(pieces(2 * receiving._TURN_BYTES // PIECE + 3)), write))


def test_client_that_is_faster_than_the_disk_waits() -> None:
    body = Body(pieces(64))
    written = 0
    maximum = 0

    def write(piece: bytes) -> None:
        nonlocal written, maximum
        time.sleep(0.002)
        maximum = max(maximum, body.given - written)
        written += len(piece)

    asyncio.run(received(body, write))
    assert written == 64 * PIECE
    assert maximum <= receiving._UNWRITTEN_BYTES + PIECE


def test_nothing_is_written_after_a_failed_write() -> None:
    written: list[bytes] = []

    def write(data: bytes) -> None:
        if len(written) == 6:
            raise OSError("the disk is full")
        written.append(data)

    body = Body(pieces(64))
    memory = BodyMemory(1 << 30)
    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(received(body, write, memory=memory))
    whole = b"".join(written)
    assert whole == b"".join(pieces(64))[: len(whole)]
    # No unwritten bytes are counted in memory.
    assert (memory.held_bytes, memory.bodies) == (0, 0)
    # The remaining bytes of the body were not read.
    assert body.given < 64 * PIECE


def test_failure_of_the_last_write_is_raised() -> None:
    def write(_piece: bytes) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(received(Body(pieces(1)), write))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_received_bytes_are_written_when_the_client_disconnects(count: int) -> None:
    written: list[bytes] = []
    with pytest.raises(ConnectionResetError):
        asyncio.run(received(Body(pieces(count), error=ConnectionResetError()), written.append))
    assert b"".join(written) == b"".join(pieces(count))


def test_received_bytes_are_written_when_the_body_times_out() -> None:
    written: list[bytes] = []
    with pytest.raises(TimeoutError):
        asyncio.run(received(Body(pieces(7), stalls=True), written.append, pause_s=0.2))
    assert b"".join(written) == b"".join(pieces(7))


def test_received_bytes_are_written_when_the_server_stops() -> None:
    written: list[bytes] = []
    may_write = threading.Event()

    def write(piece: bytes) -> None:
        may_write.wait(PATIENCE_S)
        written.append(piece)

    async def main() -> None:
        body = Body(pieces(7), stalls=True)
        task = asyncio.create_task(received(body, write))
        await until_in_loop(lambda: body.given == 7 * PIECE)
        task.cancel()
        await asyncio.sleep(0.01)
        may_write.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert b"".join(written) == b"".join(pieces(7))


def test_bytes_of_a_slow_body_are_on_the_disk() -> None:
    """After a pause, the received bytes are written, because the client may never send more."""
    written: list[bytes] = []
    memory = BodyMemory(1 << 30)

    async def main() -> None:
        task = asyncio.create_task(
            received(Body(pieces(3), stalls=True), written.append, memory=memory)
        )
        await until_in_loop(lambda: written and not memory.held_bytes)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert b"".join(written) == b"".join(pieces(3))


def test_small_pieces_are_written_together() -> None:
    written: list[bytes] = []
    asyncio.run(received(Body([b"12345678"] * 1000), written.append))
    assert written == [b"12345678" * 1000]


@pytest.mark.parametrize("count", [1, 16, 100])
def test_all_bodies_together_stay_within_the_memory(count: int) -> None:
    size = 16 * PIECE
    memory = BodyMemory(size)
    bodies = [Body(pieces(12)) for _ in range(count)]
    maximum = written = 0
    lock = threading.Lock()

    def write(data: bytes) -> None:
        nonlocal maximum, written
        time.sleep(0.0005)
        with lock:
            maximum = max(maximum, sum(body.given for body in bodies) - written)
            written += len(data)

    async def main() -> None:
        await asyncio.gather(*(received(body, write, memory=memory) for body in bodies))

    asyncio.run(main())
    assert written == count * 12 * PIECE
    assert (memory.held_bytes, memory.bodies) == (0, 0)
    # Each body may exceed its share by one piece.
    assert maximum <= 2 * size + count * PIECE


def test_few_bodies_get_wide_buffers() -> None:
    bodies = [Body(pieces(1), stalls=True) for _ in range(receiving.SMALL_CROWD + 3)]
    memory = BodyMemory(1 << 30)

    async def main() -> None:
        tasks = [
            asyncio.create_task(received(body, lambda _: None, memory=memory, pause_s=0.3))
            for body in bodies
        ]
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert [body.buffer_bytes for body in bodies] == [
        receiving._WIDE_READ_BYTES
    ] * receiving.SMALL_CROWD + [receiving.READ_BYTES] * 3
