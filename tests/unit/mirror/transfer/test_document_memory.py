"""The memory for documents that clients are reading."""

from __future__ import annotations

from contextlib import ExitStack

from mirror.transfer.document_memory import DocumentMemory


def test_equal_documents_are_in_memory_once() -> None:
    memory = DocumentMemory(1000)
    first, second = b"x" * 400, b"x" * 200 + b"x" * 200
    with memory.held("x", first, "a", list) as one:
        assert memory.shared("x", second) is first
        with memory.held("x", second, "b", list) as two:
            assert one is two is first
            assert memory.held_bytes == 400
        assert memory.held_bytes == 400
    assert memory.held_bytes == 0
    assert memory.shared("x", second) is second


def test_the_oldest_document_of_the_largest_network_makes_room() -> None:
    memory, cut_off = DocumentMemory(1000), []
    with ExitStack() as held:

        def read(name: str, network: str) -> None:
            held.enter_context(
                memory.held(name, name.encode() * 300, network, lambda: cut_off.append(name))
            )

        read("h", "honest")
        read("1", "attacker")
        read("2", "attacker")
        assert cut_off == []
        read("3", "attacker")
        assert cut_off == ["1"]
        read("k", "honest")
        assert cut_off == ["1", "2"]
        assert memory.held_bytes == 900
    assert memory.held_bytes == 0


def test_a_document_without_memory_still_counts_once() -> None:
    memory, cut_off = DocumentMemory(10), []
    first = memory.held("a", b"a" * 20, "x", lambda: cut_off.append("a"))
    first.__enter__()
    assert cut_off == []
    with memory.held("b", b"b" * 20, "x", lambda: cut_off.append("b")):
        assert cut_off == ["a"]
        with memory.held("a", b"a" * 20, "y", lambda: None):
            assert cut_off == ["a", "b"]
            first.__exit__(None, None, None)
            assert memory.held_bytes == 20
    assert memory.held_bytes == 0
