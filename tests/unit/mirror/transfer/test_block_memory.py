"""The limited memory for blocks and request bodies that all transfers share."""

from __future__ import annotations

import asyncio

from mirror.current_client import Client, set_current_client
from mirror.transfer.block_memory import BlockMemory, BodyMemory


def test_blocks_are_lent_in_order_and_a_turn_ends_when_others_wait() -> None:
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


def test_networks_take_turns() -> None:
    async def main() -> None:
        memory, order = BlockMemory(1), list[str]()

        async def transfer(network: str) -> None:
            set_current_client(Client((network,)))
            with await memory.lend():
                order.append(network)

        with await memory.lend():
            busy = [asyncio.create_task(transfer("busy")) for _ in range(20)]
            await asyncio.sleep(0)
            other = asyncio.create_task(transfer("other"))
            await asyncio.sleep(0)
        await asyncio.gather(*busy, other)
        assert order.index("other") <= 1
        with await memory.lend():
            pass

    asyncio.run(main())


def test_block_that_is_granted_to_a_cancelled_transfer_goes_to_the_next() -> None:
    async def main() -> None:
        memory = BlockMemory(1)
        with await memory.lend():
            waiting = [asyncio.create_task(memory.lend()) for _ in range(2)]
            await asyncio.sleep(0)
        waiting[0].cancel()
        with await asyncio.wait_for(waiting[1], 5):
            assert not memory.is_crowded

    asyncio.run(main())


def test_cancelled_wait_takes_no_block() -> None:
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


def test_share_is_unlimited_until_the_memory_is_used_up() -> None:
    memory = BodyMemory(100)
    assert memory.share_bytes(40) == 40
    memory.held_bytes, memory.bodies = 100, 10
    assert (memory.share_bytes(40), memory.share_bytes(4)) == (10, 4)


def test_memory_is_released_after_an_idle_time() -> None:
    async def main() -> None:
        released = 0

        def release() -> None:
            nonlocal released
            released += 1

        memory = BodyMemory(100, on_idle=release, idle_s=0.05)
        with memory, memory:
            await asyncio.sleep(0.1)
        with memory:
            # This body follows at once, before the memory was idle for long enough.
            await asyncio.sleep(0.1)
            assert released == 0
        await asyncio.sleep(0.1)
        assert released == 1
        with memory:
            pass
        memory.close()
        await asyncio.sleep(0.1)
        assert released == 1

    asyncio.run(main())
