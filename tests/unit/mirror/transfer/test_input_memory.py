"""The limited memory for manifests that clients are pushing."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from mirror.transfer.input_memory import InputMemory


def test_the_network_that_holds_the_most_is_cut_off_first() -> None:
    memory, cut = InputMemory(100), list[str]()
    with ExitStack() as stack:
        many = [
            stack.enter_context(memory.hold("many", lambda: cut.append("many"))) for _ in range(4)
        ]
        one = stack.enter_context(memory.hold("one", lambda: cut.append("one")))
        for held in (*many, one):
            held.append(bytes(24))
        assert cut == ["many"]
        assert memory.held_bytes == 96
        dropped = [held for held in many if not held.drop()]
        assert len(dropped) == 1
        with pytest.raises(ConnectionResetError):
            dropped[0].append(b"x")
        with pytest.raises(ConnectionResetError):
            dropped[0].take()
        assert one.take() == bytes(24)
    assert memory.held_bytes == 0


def test_a_body_that_is_being_stored_is_not_cut_off() -> None:
    memory, cut = InputMemory(100), list[str]()
    with (
        memory.hold("a", lambda: cut.append("stored")) as stored,
        memory.hold("b", lambda: cut.append("arriving")) as arriving,
    ):
        stored.append(bytes(90))
        assert stored.take() == bytes(90)
        arriving.append(bytes(20))
        assert cut == []
        assert arriving.take() == bytes(20)
    assert memory.held_bytes == 0
