"""Threads that serve clients in turn.

A client can send thousands of requests at once. If all calls waited in one line, the next client
would wait for all of them. So the calls wait in groups: networks take turns at each level.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, final

from mirror.current_client import current_client
from mirror.fair_queue import FairQueue
from mirror.steady_threads import SteadyThreads

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirror.current_client import Client

T = TypeVar("T")
P = ParamSpec("P")


@final
class FairThreads(Executor):
    """An executor whose waiting calls are run in the order that is fair to clients.

    A call belongs to the client of the task that submits the call (`current_client`). The queue
    has no limit: each connection has one request at a time, and connections are limited.

    Args:
        count: The number of threads.
        name: The beginning of the names of the threads.
        skips_departed: Whether calls of clients that have left while they waited are not run. Such
            a call ends with `ConnectionResetError`.
    """

    def __init__(self, count: int, name: str, *, skips_departed: bool = False) -> None:
        self._threads = SteadyThreads(count, name)
        self._free = count
        self._skips_departed = skips_departed
        self._guard = threading.Lock()
        self._waiting: FairQueue[_Call] = FairQueue(sys.maxsize)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function in a thread as soon as it is the turn of the current client.

        Args:
            fn: The function.
            args: The positional arguments of the function.
            kwargs: The keyword arguments of the function.
        """
        client = current_client()
        future: Future[T] = Future()
        call = _Call(future, partial(fn, *args, **kwargs), client)
        with self._guard:
            if not self._free:
                self._waiting.put(client.networks, call)
                return future
            self._free -= 1
        self._threads.submit(self._work, call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the standard library's signature
        """End the threads.

        Args:
            wait: Whether to wait until all calls have ended.
            cancel_futures: Whether to drop the calls that wait.
        """
        if cancel_futures:
            with self._guard:
                dropped = list(self._waiting)
                self._waiting = FairQueue(sys.maxsize)
            for call in dropped:
                call.future.cancel()
        # The calls in the threads' own queue have begun already.
        self._threads.shutdown(wait)

    def _work(self, call: _Call) -> None:
        following: _Call | None = call
        # Keep no reference to a call that has ended: its result may be large.
        del call
        while following is not None:
            following.run()
            following = None
            following = self._next()

    def _next(self) -> _Call | None:
        while True:
            with self._guard:
                call = self._waiting.take()
                if call is None:
                    self._free += 1
                    return None
            if not (self._skips_departed and call.client.has_left()):
                return call
            if call.future.set_running_or_notify_cancel():
                call.future.set_exception(
                    ConnectionResetError("the client has closed the connection")
                )


@final
class _Call:
    """A call that waits for a thread."""

    __slots__ = ("_function", "client", "future")

    def __init__(self, future: Future[Any], function: Callable[[], Any], client: Client) -> None:
        self.future = future
        self._function = function
        self.client = client

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._function()
        except BaseException as exc:  # noqa: BLE001 - the caller gets it
            self.future.set_exception(exc)
        else:
            self.future.set_result(result)
