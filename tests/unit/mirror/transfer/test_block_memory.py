"""A fixed amount of memory, shared by turns."""

from __future__ import annotations

import asyncio

from mirror.transfer.block_memory import BlockMemory, BodyMemory


def test_whoever_waits_longest_comes_next_and_a_turn_ends() -> None:
    async def main() -> None:
        memory = BlockMemory(1, turn_s=0.05)
        order: list[str] = []
        first = await memory.lend()
        await asyncio.sleep(0.06)
        early = first.is_due
        assert not early

        async def later(name: str) -> None:
            with await memory.lend() as loan:
                order.append(name)
                assert loan.buffer is first.buffer

        others = [asyncio.create_task(later(name)) for name in "abc"]
        await asyncio.sleep(0)
        assert memory.is_crowded
        assert first.is_due
        with first:
            assert not order
        await asyncio.gather(*others)
        assert order == ["a", "b", "c"]

    asyncio.run(main())


def test_who_gives_up_waiting_takes_nothing() -> None:
    async def main() -> None:
        memory = BlockMemory(1)
        with await memory.lend():
            waiting = asyncio.create_task(memory.lend())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert not memory.is_crowded
        with await memory.lend():
            pass

    asyncio.run(main())


def test_a_share_is_everything_until_it_is_full() -> None:
    memory = BodyMemory(100)
    assert memory.share_bytes(40) == 40
    memory.held_bytes, memory.bodies = 100, 10
    assert (memory.share_bytes(40), memory.share_bytes(4)) == (10, 4)


def test_memory_is_given_back_when_nothing_has_come_for_a_while() -> None:
    async def main() -> None:
        given_back = 0

        def give_back() -> None:
            nonlocal given_back
            given_back += 1

        memory = BodyMemory(100, on_idle=give_back, idle_s=0.05)
        with memory, memory:
            await asyncio.sleep(0.1)
        with memory:
            # The next one came at once.
            await asyncio.sleep(0.1)
            assert given_back == 0
        await asyncio.sleep(0.1)
        assert given_back == 1
        with memory:
            pass
        memory.close()
        await asyncio.sleep(0.1)
        assert given_back == 1

    asyncio.run(main())
