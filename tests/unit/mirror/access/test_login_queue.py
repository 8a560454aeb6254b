"""The fair queue of passwords that wait for their comparison."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, final

import pytest

from mirror.access import Access, AuthenticationFailed, Authenticator, Caller, LoginHistory
from mirror.access.authenticator import Password
from mirror.access.login_queue import MAX_WAIT_S, MAX_WAITING, LoginQueue
from mirror.access.throttle import USER_BURST
from tests.support.clocks import StillClock
from tests.support.logins import USERS
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@final
class Logins:
    """A queue of passwords whose comparisons wait until a test lets one proceed.

    Attributes:
        begun: The passwords whose comparison has begun, in order.
        failed: The users whose password was refused, with the time that the client has to wait.
    """

    def __init__(self) -> None:
        self.clock = StillClock()
        self.authenticator = Authenticator(
            Access(USERS), b"key", self.clock, self.clock, LoginHistory()
        )
        self.throttle = self.authenticator.throttle
        self.begun: list[Caller | None] = []
        self.permits = asyncio.Semaphore(0)
        self.queue = LoginQueue(self.authenticator, self._compare, self.clock)
        self.tasks: list[asyncio.Task[Caller]] = []

    async def _compare(self, check: Callable[[], Caller]) -> Caller:
        await self.permits.acquire()
        try:
            self.begun.append(check())
        except AuthenticationFailed:
            self.begun.append(None)
            raise
        return self.begun[-1] or Caller()

    async def send(
        self,
        user: str,
        password: str,
        address: str,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> asyncio.Task[Caller]:
        task = asyncio.create_task(
            self.queue.check(Password(user, password.encode()), address=address, is_gone=is_gone)
        )
        self.tasks.append(task)
        await asyncio.sleep(0)
        return task

    async def wait_s(self, task: asyncio.Task[Caller]) -> float:
        with pytest.raises(AuthenticationFailed) as refused:
            await task
        return refused.value.wait_s

    async def end(self) -> None:
        self.queue.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def run(steps: Callable[[Logins], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        logins = Logins()
        await steps(logins)
        await logins.end()

    asyncio.run(main())


def test_correct_and_wrong_passwords_get_their_answers() -> None:
    async def steps(logins: Logins) -> None:
        right = await logins.send("alice", "secret", "10.0.0.1")
        wrong = await logins.send("alice", "wrong", "10.0.0.1")
        logins.permits.release()
        assert await right == Caller("alice")
        logins.permits.release()
        assert await logins.wait_s(wrong) == 0
        # The queue continues after it was empty.
        again = await logins.send("alice", "secret", "10.0.0.2")
        logins.permits.release()
        assert await again == Caller("alice")

    run(steps)


@pytest.mark.parametrize("network", ["2001:db8:{0:x}:{1:x}::1", "10.1.{0}.{1}"])
def test_client_with_many_addresses_delays_others_by_one_turn(network: str) -> None:
    """One IPv6 /32 or IPv4 /16 fills the queue, with other passwords from every address."""

    async def steps(logins: Logins) -> None:
        for number in range(2 * MAX_WAITING):
            address = network.format(number // 200, number % 200)
            await logins.send(f"guess {number}", "x", address)
        bob = await logins.send("alice", "secret", "192.0.2.1")
        for _ in range(3):
            logins.permits.release()
        assert await bob == Caller("alice")
        assert len(logins.begun) <= 3

    run(steps)


def test_full_queue_refuses_the_network_with_most_passwords() -> None:
    async def steps(logins: Logins) -> None:
        first = await logins.send("zed", "x", "192.0.2.1")
        flood = [await logins.send("zed", "x", "10.0.0.1") for _ in range(MAX_WAITING + 10)]
        await until_in_loop(lambda: sum(one.done() for one in flood) >= 10)
        assert await logins.wait_s(flood[-1]) > 0
        assert not first.done()

    run(steps)


def test_known_network_has_its_share_while_many_networks_guess() -> None:
    async def steps(logins: Logins) -> None:
        logins.throttle.succeeded("alice", "192.0.2.1")
        for number in range(MAX_WAITING):
            await logins.send(f"guess {number}", "x", f"10.{number}.0.1")
        alice = await logins.send("alice", "secret", "192.0.2.1")
        for _ in range(2):
            logins.permits.release()
        assert await alice == Caller("alice")
        # A user who logs in for the first time waits, because all these networks are new as well.
        new = await logins.send("alice", "secret", "172.16.0.1")
        for _ in range(20):
            logins.permits.release()
        await until_in_loop(lambda: len(logins.begun) == 22)
        assert not new.done()

    run(steps)


def test_new_network_comes_before_networks_that_have_failed() -> None:
    async def steps(logins: Logins) -> None:
        for number in range(100):
            logins.throttle.failed(f"guess {number}", f"10.{number}.0.1")
        for number in range(100):
            await logins.send(f"other {number}", "x", f"10.{number}.0.1")
        alice = await logins.send("alice", "secret", "172.16.0.1")
        for _ in range(3):
            logins.permits.release()
        assert await alice == Caller("alice")

    run(steps)


def test_guesses_at_one_user_wait_while_others_log_in() -> None:
    async def steps(logins: Logins) -> None:
        for number in range(USER_BURST + 3):
            logins.throttle.failed("bob", f"10.{number}.0.1")
        guesses = [await logins.send("bob", "x", f"172.16.{number}.1") for number in range(9)]
        alice = await logins.send("alice", "secret", "192.0.2.1")
        logins.permits.release()
        assert await alice == Caller("alice")
        assert not any(one.done() for one in guesses)
        # Delayed guesses make room for passwords that are compared at once.
        for number in range(MAX_WAITING + 10):
            await logins.send(f"user {number}", "x", f"192.{number % 250}.{number // 250}.1")
        await until_in_loop(lambda: all(one.done() for one in guesses))
        assert logins.begun == [Caller("alice")]

    run(steps)


def test_password_that_waits_too_long_is_refused_without_a_comparison() -> None:
    async def steps(logins: Logins) -> None:
        busy = await logins.send("zed", "x", "10.0.0.1")
        late = await logins.send("zed", "x", "10.0.0.2")
        logins.clock.now += MAX_WAIT_S
        logins.permits.release()
        assert await logins.wait_s(busy) == 0
        assert await logins.wait_s(late) > 0
        assert logins.begun == [None]

    run(steps)


def test_password_of_a_client_that_has_left_is_not_compared() -> None:
    async def steps(logins: Logins) -> None:
        await logins.send("zed", "x", "10.0.0.1")
        gone = await logins.send("zed", "x", "10.0.0.2", is_gone=lambda: True)
        cancelled = await logins.send("zed", "x", "10.0.0.3")
        cancelled.cancel()
        last = await logins.send("alice", "secret", "10.0.0.4")
        for _ in range(2):
            logins.permits.release()
        assert await last == Caller("alice")
        await logins.wait_s(gone)
        assert logins.begun == [None, Caller("alice")]

    run(steps)
