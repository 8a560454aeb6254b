"""The memory for heads that have not arrived completely."""

from __future__ import annotations

from dataclasses import dataclass, field

from mirror.connections.incomplete_heads import IncompleteHeads


@dataclass(eq=False)
class Sender:
    network: str
    ended: list[Sender] = field(default_factory=list)

    def cut_off(self) -> None:
        self.ended.append(self)


def test_the_network_that_holds_the_most_is_cut_off_first() -> None:
    heads = IncompleteHeads(memory_bytes=100)
    honest = Sender("a")
    attackers = [Sender("b") for _ in range(4)]
    heads.note(honest, 40)
    for attacker in attackers:
        heads.note(attacker, 20)
    assert not honest.ended
    assert [bool(attacker.ended) for attacker in attackers] == [True, False, False, False]
    assert heads.held_bytes == 100


def test_the_largest_head_of_a_network_is_cut_off() -> None:
    heads = IncompleteHeads(memory_bytes=100)
    small, large = Sender("a"), Sender("a")
    heads.note(small, 10)
    heads.note(large, 50)
    heads.note(large, 41)
    assert large.ended
    assert not small.ended
    assert heads.held_bytes == 10


def test_a_complete_head_is_not_counted() -> None:
    heads = IncompleteHeads(memory_bytes=100)
    sender = Sender("a")
    for _ in range(10):
        heads.note(sender, 90)
        heads.forget(sender)
        heads.forget(sender)
    assert heads.held_bytes == 0
    assert not sender.ended
