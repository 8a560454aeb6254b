"""The limits of connections, and which connection makes room for a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirror.connections.admission import (
    MAX_CONNECTIONS,
    MIN_AGE_S,
    RECENT_S,
    RESERVED_DESCRIPTORS,
    Admission,
    ConnectionLimits,
    Slot,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Limited:
    """An `Admission` whose connections have names; it records which connections were closed."""

    def __init__(self, total: int, share: int) -> None:
        self.now = 0.0
        self.closed: list[str] = []
        self.refused = 0
        self.admission = Admission(
            ConnectionLimits(total, share),
            network_of=lambda address: (address or "").partition("-")[0],
            is_exempt=lambda address: (address or "").startswith("proxy"),
            clock=lambda: self.now,
            on_refused=self._count,
        )

    def _count(self) -> None:
        self.refused += 1

    def connect(self, name: str) -> Slot | None:
        slot = self.admission.enter(name)
        # The next connection comes when this one is no longer new.
        self.now += MIN_AGE_S
        if slot is not None:
            slot.close = lambda: self.closed.append(name)
        return slot

    def silent(self, name: str) -> Slot:
        slot = self.connect(name)
        assert slot is not None
        return slot

    def idle(self, name: str) -> Slot:
        slot = self.busy(name)
        slot.end_request()
        return slot

    def busy(self, name: str) -> Slot:
        slot = self.silent(name)
        slot.begin_request()
        return slot


@pytest.mark.parametrize(
    ("descriptors", "total"),
    [
        (1 << 20, MAX_CONNECTIONS),
        (-1, MAX_CONNECTIONS),
        (RESERVED_DESCRIPTORS + 400, 100),
        (16, 8),
    ],
)
def test_limits_follow_the_descriptors(descriptors: int, total: int) -> None:
    limits = ConnectionLimits.of(descriptors)
    assert limits.total == total
    assert 0 < limits.share < total


def test_silent_connections_are_closed_before_idle_ones() -> None:
    limited = Limited(4, 4)
    idle = limited.idle("a-idle")
    for name in ("a-1", "a-2", "a-3"):
        limited.silent(name)
    for number in range(4, 8):
        limited.silent(f"a-{number}")
    assert limited.closed == ["a-1", "a-2", "a-3", "a-4"]
    assert limited.admission.count == 4
    idle.begin_request()


def test_the_connection_that_is_idle_longest_is_closed_first() -> None:
    limited = Limited(3, 3)
    first, _second = limited.idle("a-first"), limited.idle("a-second")
    limited.busy("a-busy")
    first.begin_request()
    first.end_request()
    limited.busy("a-new")
    limited.busy("a-newer")
    assert limited.closed == ["a-second", "a-first"]
    assert limited.connect("a-newest") is None
    assert limited.refused == 3


def test_the_network_with_most_connections_makes_room() -> None:
    limited = Limited(6, 6)
    limited.idle("honest-1")
    for number in range(5):
        limited.idle(f"attacker-{number}")
    limited.silent("other-1")
    limited.silent("attacker-5")
    assert limited.closed == ["attacker-0", "attacker-1"]


def test_a_network_gets_no_more_than_its_share() -> None:
    limited = Limited(10, 2)
    one, two = limited.busy("a-1"), limited.busy("a-2")
    assert limited.connect("a-3") is None
    assert limited.connect("b-1") is not None
    two.end_request()
    assert limited.connect("a-3") is not None
    assert limited.closed == ["a-2"]
    one.leave()
    assert limited.connect("a-4") is not None
    assert limited.closed == ["a-2"]


def test_a_proxy_may_have_more_than_a_share_but_makes_room_last() -> None:
    limited = Limited(4, 2)
    for number in range(3):
        limited.idle(f"proxy-{number}")
    limited.idle("a-1")
    limited.idle("b-1")
    assert limited.closed == ["a-1"]


def test_an_answer_that_is_being_read_is_not_cut_off() -> None:
    limited = Limited(2, 2)
    for name in ("a-1", "a-2"):
        limited.idle(name).is_answering = lambda: True
    assert limited.connect("a-3") is None
    assert limited.connect("b-1") is None
    assert limited.closed == []


def test_a_new_connection_may_send_its_request_first() -> None:
    limited = Limited(3, 3)
    limited.idle("a-long-idle")
    limited.now += RECENT_S
    limited.idle("a-idle")
    for name in ("a-new", "a-newer"):
        limited.silent(name)
        limited.now -= MIN_AGE_S
    assert limited.closed == ["a-long-idle"]
    # A connection that was just used is worth more than one that may never send a request.
    assert not limited.admission.has_room()
    assert limited.connect("a-newest") is None
    assert limited.admission.has_room()


@pytest.mark.parametrize("end", [Slot.leave, Slot.end_request])
def test_a_full_process_tells_when_there_is_room(end: Callable[[Slot], None]) -> None:
    limited, told = Limited(1, 1), []
    limited.admission.on_room = lambda: told.append(limited.admission.has_room())
    assert limited.admission.has_room()
    busy = limited.busy("a")
    assert not limited.admission.has_room()
    end(busy)
    assert told == [True]
    end(busy)
    assert told == [True]


def test_a_closed_connection_frees_its_slot_once() -> None:
    limited = Limited(1, 1)
    first = limited.silent("a-1")
    limited.silent("a-2")
    first.leave()
    first.begin_request()
    first.end_request()
    assert limited.admission.count == 1


def test_refusals_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    limited = Limited(1, 1)
    limited.busy("a")
    for _ in range(3):
        assert limited.connect("a") is None
    limited.now = 100.0
    assert limited.connect("a") is None
    assert [record.args[0] for record in caplog.records if record.args] == [1, 3]  # type: ignore[index]
