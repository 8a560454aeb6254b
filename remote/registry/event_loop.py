"""A bridge from synchronous code, such as an import, to the asynchronous client."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, TypeVar, final

import uvloop

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Coroutine, Generator
    from concurrent.futures import Future

Result = TypeVar("Result")

_JOIN_S: Final = 10.0
_BUFFER_BYTES: Final = 8 * 1024 * 1024


@final
class EventLoopThread:
    """A thread that runs one event loop; use it as a context manager.

    All methods may be called in any other thread.
    """

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self._loop = (loop_factory or uvloop.new_event_loop)()
        self._thread = threading.Thread(target=self._serve, name="registry client", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def run(self, coroutine: Coroutine[object, object, Result]) -> Result:
        """Run a coroutine in the event loop, and return its result.

        If this thread is interrupted (Ctrl-C), the coroutine is cancelled, and has ended when the
        exception leaves this method.

        Args:
            coroutine: What to run.
        """
        future = self.start(coroutine)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                with suppress(BaseException):
                    self._settle()
            raise

    def start(self, coroutine: Coroutine[object, object, Result]) -> Future[Result]:
        """Begin to run a coroutine in the event loop.

        Args:
            coroutine: What to run.
        """
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def blocking_chunks(
        self, chunks: AsyncIterable[bytes], *, buffer_bytes: int = _BUFFER_BYTES
    ) -> Generator[bytes, None, None]:
        """Yield the parts of an asynchronous body in this thread.

        The body is read ahead. If the iteration ends early, the body is closed.

        Args:
            chunks: The body. It belongs to this event loop.
            buffer_bytes: How many bytes may wait for this thread.
        """
        parts: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        room = _Room(buffer_bytes)

        async def read() -> None:
            end: BaseException | None = None
            try:
                async for chunk in chunks:
                    await room.take(len(chunk))
                    parts.put(chunk)
            except BaseException as error:
                end = error
                if not isinstance(error, Exception):
                    raise
            finally:
                parts.put(end)
                if isinstance(chunks, AsyncGenerator):
                    await chunks.aclose()

        reader = self.start(read())
        try:
            while (part := parts.get()) is not None:
                if isinstance(part, BaseException):
                    raise part
                self._loop.call_soon_threadsafe(room.give, len(part))
                yield part
        finally:
            if not reader.done():
                reader.cancel()
                with suppress(BaseException):
                    self._settle()

    def _settle(self) -> None:
        """Wait until tasks that were cancelled have seen it."""

        async def turn() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(turn(), self._loop).result(_JOIN_S)

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        if not self._thread.is_alive():
            return

        async def cancel() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()

        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(_JOIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_JOIN_S)
        if not self._thread.is_alive():
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


@final
class _Room:
    """The room for parts that wait for another thread; used in the event loop only."""

    def __init__(self, size_bytes: int) -> None:
        self._size = size_bytes
        self._used = 0
        self._freed = asyncio.Event()

    async def take(self, count: int) -> None:
        """Wait until there is room; a part larger than the whole room waits for an empty one."""
        while self._used and self._used + count > self._size:
            self._freed.clear()
            await self._freed.wait()
        self._used += count

    def give(self, count: int) -> None:
        self._used -= count
        self._freed.set()
