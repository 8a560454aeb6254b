"""Files that threads open for tasks."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from remote.opening import open_in_thread


class File:
    """A file that knows whether it is open."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        """Close the file."""
        self.closed.set()


def test_the_caller_gets_what_was_opened() -> None:
    file = File()
    with ThreadPoolExecutor(1) as threads:
        assert asyncio.run(open_in_thread(lambda: file, threads)) is file
    assert asyncio.run(open_in_thread(lambda: file)) is file
    assert asyncio.run(open_in_thread(lambda: None)) is None
    assert not file.closed.is_set()


def test_the_caller_gets_the_error() -> None:
    def fail() -> NoReturn:
        raise FileNotFoundError("x")

    with pytest.raises(FileNotFoundError, match="x"):
        asyncio.run(open_in_thread(fail))


@pytest.mark.parametrize("is_found", [True, False])
def test_a_cancelled_task_leaves_no_file_open(*, is_found: bool) -> None:
    file, started, go = File(), threading.Event(), threading.Event()

    def opener() -> File | None:
        started.set()
        assert go.wait(10)
        return file if is_found else None

    async def cancel() -> None:
        task = asyncio.ensure_future(open_in_thread(opener, threads))
        assert await asyncio.to_thread(started.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not file.closed.is_set()

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(cancel())
        go.set()
    assert file.closed.is_set() == is_found


def test_a_cancelled_task_ignores_an_error_of_the_thread() -> None:
    started, go = threading.Event(), threading.Event()

    def opener() -> NoReturn:
        started.set()
        assert go.wait(10)
        raise OSError("late")

    async def cancel() -> None:
        task = asyncio.ensure_future(open_in_thread(opener, threads))
        assert await asyncio.to_thread(started.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(cancel())
        go.set()
