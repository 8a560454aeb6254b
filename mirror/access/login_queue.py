"""The queue of passwords that wait for their comparison, fair to all clients.

bcrypt is slow on purpose, so one thread compares passwords. Networks take turns at three levels
(`client_networks`), so a client with many addresses waits for itself. Most turns belong to networks
from which the user has logged in before, and to networks that have sent no wrong password lately.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, final

from mirror.access.authenticator import AuthenticationFailed
from mirror.access.throttle import client_networks
from mirror.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mirror.access.authenticator import Authenticator, Password
    from mirror.access.policy import Caller

MAX_WAITING: Final = 256
"""How many passwords of one `Standing` may wait in one process."""

MAX_WAIT_S: Final = 10.0
"""How long a password may wait, in seconds; docker gives up after 15 seconds."""

_RETRY_S: Final = 5.0
_POLL_S: Final = 0.2


class Standing(Enum):
    """What earlier logins say about the sender of a password."""

    KNOWN = auto()
    """The user has logged in from this network."""
    NEW = auto()
    """The network has sent no wrong password lately."""
    FAILED = auto()
    """The network has sent a wrong password lately."""


_TURNS: Final = (
    Standing.KNOWN,
    Standing.NEW,
    Standing.KNOWN,
    Standing.NEW,
    Standing.FAILED,
)
"""Whose turn it is, in a circle. A turn that nobody can use passes to the next standing."""


@final
@dataclass(slots=True, eq=False)
class _Attempt:
    """A password that waits, and the request that waits for it."""

    given: Password
    address: str | None
    is_gone: Callable[[], bool]
    expires_at: float
    is_delayed: bool
    answer: asyncio.Future[Caller]


@final
class LoginQueue:
    """Passwords that wait, in one event loop.

    Args:
        authenticator: Compares the passwords, and knows the failed logins.
        compare: Calls a function with arguments in the thread for passwords.
        clock: Returns the time of a monotonic clock, in seconds.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        compare: Callable[[Callable[[], Caller]], Awaitable[Caller]],
        clock: Callable[[], float],
    ) -> None:
        self._authenticator = authenticator
        self._compare = compare
        self._clock = clock
        self._queues: dict[Standing, FairQueue[_Attempt]] = {
            standing: FairQueue(MAX_WAITING) for standing in Standing
        }
        self._turn = 0
        self._arrived = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def check(
        self, given: Password, *, address: str | None, is_gone: Callable[[], bool] = lambda: False
    ) -> Caller:
        """Return the caller if the password is correct.

        Args:
            given: The user and password that the client sent.
            address: The client's address; None if it is unknown.
            is_gone: Returns whether the client has disconnected. Its password is then not compared.

        Raises:
            AuthenticationFailed: The password is wrong, or too many passwords wait.
        """
        throttle = self._authenticator.throttle
        attempt = _Attempt(
            given,
            address,
            is_gone,
            self._clock() + MAX_WAIT_S,
            throttle.delay_s(given.user, address) > 0,
            asyncio.get_running_loop().create_future(),
        )
        self._put(self._queues[self._standing(attempt)], attempt)
        self._arrived.set()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await attempt.answer

    def close(self) -> None:
        """Stop comparing passwords."""
        if self._worker is not None:
            self._worker.cancel()

    def _standing(self, attempt: _Attempt) -> Standing:
        throttle = self._authenticator.throttle
        if throttle.knows(attempt.given.user, attempt.address):
            return Standing.KNOWN
        return Standing.FAILED if throttle.has_failed(attempt.address) else Standing.NEW

    def _put(self, queue: FairQueue[_Attempt], attempt: _Attempt) -> None:
        dropped = None
        if len(queue) >= MAX_WAITING and not attempt.is_delayed:
            # Delayed passwords are guesses in all likelihood: they make room first.
            dropped = queue.take(lambda one: one.is_delayed)
        for one in (dropped, queue.put(client_networks(attempt.address), attempt)):
            if one is not None:
                _refuse(one)

    async def _work(self) -> None:
        """Compare passwords until none waits."""
        while any(map(len, self._queues.values())):
            attempt = self._next()
            if attempt is None:
                self._arrived.clear()
                try:
                    async with asyncio.timeout(_POLL_S):
                        await self._arrived.wait()
                except TimeoutError:
                    pass
            elif self._is_over(attempt):
                _refuse(attempt)
            else:
                await self._answer(attempt)

    def _next(self) -> _Attempt | None:
        """Remove and return the attempt whose turn it is; None if all attempts are delayed."""
        self._turn += 1
        for number in range(len(_TURNS)):
            standing = _TURNS[(self._turn + number) % len(_TURNS)]
            attempt = self._queues[standing].take(self._may_leave)
            if attempt is not None:
                return attempt
        return None

    def _may_leave(self, attempt: _Attempt) -> bool:
        throttle = self._authenticator.throttle
        attempt.is_delayed = throttle.delay_s(attempt.given.user, attempt.address) > 0
        return self._is_over(attempt) or not attempt.is_delayed

    def _is_over(self, attempt: _Attempt) -> bool:
        """Return whether nobody waits for the attempt any longer, or it has waited too long."""
        return attempt.answer.done() or attempt.is_gone() or self._clock() >= attempt.expires_at

    async def _answer(self, attempt: _Attempt) -> None:
        def check() -> Caller:
            return self._authenticator.check_password(attempt.given, address=attempt.address)

        try:
            caller = await self._compare(check)
        except asyncio.CancelledError:
            attempt.answer.cancel()
            raise
        except Exception as exc:  # noqa: BLE001 - the request that waits gets it
            if not attempt.answer.done():
                attempt.answer.set_exception(exc)
        else:
            if not attempt.answer.done():
                attempt.answer.set_result(caller)


def _refuse(attempt: _Attempt) -> None:
    if not attempt.answer.done():
        attempt.answer.set_exception(AuthenticationFailed(_RETRY_S))
