from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from remote.registry.event_loop import EventLoopThread
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    with EventLoopThread() as thread:
        yield thread


def test_a_coroutine_runs_in_another_thread(loop: EventLoopThread) -> None:
    async def name() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert loop.run(name()) == "registry client"


def test_errors_come_back(loop: EventLoopThread) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop.run(fail())


def test_chunks_are_read_ahead_within_the_buffer(loop: EventLoopThread) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for number in range(10):
            read.append(number)
            yield bytes([number]) * 10

    chunks = loop.blocking_chunks(body(), buffer_bytes=30)
    got = [next(chunks)]
    until(lambda: len(read) >= 4)
    loop.run(asyncio.sleep(0.01))
    assert len(read) <= 6
    got += chunks
    assert b"".join(got) == b"".join(bytes([number]) * 10 for number in range(10))


def test_a_chunk_larger_than_the_buffer_passes(loop: EventLoopThread) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 100
        yield b"y" * 100

    assert b"".join(loop.blocking_chunks(body(), buffer_bytes=10)) == b"x" * 100 + b"y" * 100


def test_an_error_of_the_body_comes_after_its_chunks(loop: EventLoopThread) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise OSError("cut")

    chunks = loop.blocking_chunks(body())
    assert next(chunks) == b"x"
    with pytest.raises(OSError, match="cut"):
        next(chunks)


def test_a_body_that_is_not_read_to_its_end_is_closed(loop: EventLoopThread) -> None:
    closed = threading.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
        finally:
            closed.set()

    chunks = loop.blocking_chunks(body(), buffer_bytes=2000)
    next(chunks)
    chunks.close()
    assert closed.wait(10)


def test_closing_cancels_what_runs() -> None:
    ended = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    thread = EventLoopThread()
    future = thread.start(wait())
    until(lambda: future.running() or not future.done())
    thread.run(asyncio.sleep(0))
    thread.close()
    thread.close()
    assert ended.is_set()
    assert future.cancelled()
