from __future__ import annotations

import asyncio

import pytest

from remote.errors import RateLimited, RegistryFailed
from remote.http.faults import Fault
from remote.http.settings import ClientSettings
from remote.registry.retries import Retries, retry_after
from tests.support.remote_client import Pauses

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 30}, None),
        ({"Retry-After": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        ({"Retry-After": "Fri, 15 Jan 2021 08:00:30 GMT"}, 0.0),
        ({"Retry-After": "1800000005"}, 5.0),
        ({"RateLimit-Reset": "12"}, 12.0),
        ({"X-RateLimit-Reset": "1800000060"}, 60.0),
        ({"Retry-After": "soon", "X-RateLimit-Reset": "3"}, 3.0),
    ],
)
def test_what_registries_ask_for(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(headers, NOW) == expected


def fault(*, is_transient: bool = True, asked_s: float | None = None) -> Fault:
    error = RegistryFailed("cannot", registry="r.example")
    return Fault(error, is_transient=is_transient, retry_after_s=asked_s)


def test_pauses_grow_until_the_retries_are_used_up() -> None:
    pauses = Pauses()
    retries = Retries(ClientSettings(retries=3, timing=pauses.timing))

    async def run() -> None:
        while True:
            await retries.pause(fault())

    with pytest.raises(RegistryFailed):
        asyncio.run(run())
    assert pauses.slept == [0.5, 1.0, 2.0]


def test_progress_counts_from_the_beginning() -> None:
    pauses = Pauses()
    retries = Retries(ClientSettings(retries=1, timing=pauses.timing))

    async def run() -> None:
        for _ in range(5):
            await retries.pause(fault())
            retries.reset()

    asyncio.run(run())
    assert pauses.slept == [0.5] * 5


def test_the_registry_may_ask_for_more_but_not_for_too_much() -> None:
    pauses = Pauses()
    retries = Retries(ClientSettings(max_wait_s=60, timing=pauses.timing))
    asyncio.run(retries.pause(fault(asked_s=30)))
    assert pauses.slept == [30]
    with pytest.raises(RegistryFailed):
        asyncio.run(retries.pause(fault(asked_s=61)))


def test_faults_that_do_not_pass_are_not_retried() -> None:
    with pytest.raises(RegistryFailed):
        asyncio.run(Retries(ClientSettings()).pause(fault(is_transient=False)))
    assert RateLimited.usual_hint
