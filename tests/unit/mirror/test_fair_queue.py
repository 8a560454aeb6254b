"""The queue that serves groups in turn."""

from __future__ import annotations

from mirror.fair_queue import FairQueue


def test_groups_take_turns_and_items_of_a_group_keep_their_order() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for name in ("a1", "a2", "a3", "b1", "c1"):
        assert queue.put((name[0],), name) is None
    assert len(queue) == 5
    assert sorted(queue) == ["a1", "a2", "a3", "b1", "c1"]
    assert [queue.take() for _ in range(3)] == ["a1", "b1", "c1"]
    queue.put(("b",), "b2")
    assert [queue.take() for _ in range(4)] == ["a2", "b2", "a3", None]
    assert len(queue) == 0


def test_nested_groups_share_the_turns_of_their_parent() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for number in range(10):
        queue.put(("flood", str(number)), f"flood {number}")
    queue.put(("other", "x"), "other")
    assert [queue.take() for _ in range(3)] == ["flood 0", "other", "flood 1"]


def test_full_queue_drops_the_newest_item_of_the_largest_group() -> None:
    queue: FairQueue[str] = FairQueue(4)
    for name in ("a1", "a2", "a3", "b1"):
        assert queue.put((name[0],), name) is None
    assert queue.put(("c",), "c1") == "a3"
    assert queue.put(("a",), "a4") == "a4"
    assert queue.put(("d",), "d1") == "a2"
    # Of equal groups, the one that was added last gives way.
    assert queue.put(("e",), "e1") == "e1"
    assert sorted(queue) == ["a1", "b1", "c1", "d1"]


def test_items_that_are_not_ready_keep_their_place() -> None:
    queue: FairQueue[str] = FairQueue(9)
    for name in ("a1", "a2", "b1"):
        queue.put((name[0],), name)
    assert queue.take(lambda name: name != "a1") == "a2"
    assert queue.take(lambda name: name.startswith("b")) == "b1"
    assert queue.take(lambda _: False) is None
    assert queue.take() == "a1"
