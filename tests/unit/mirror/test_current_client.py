"""The client whose request the current task answers."""

from __future__ import annotations

import asyncio

from mirror.current_client import SERVER, Client, current_client, set_current_client


def test_each_task_has_its_client() -> None:
    async def answer(name: str) -> tuple[str, ...]:
        set_current_client(Client((name,)))
        await asyncio.sleep(0)
        # A task that works for a request belongs to the client of the request.
        return await asyncio.create_task(networks())

    async def networks() -> tuple[str, ...]:
        return current_client().networks

    async def main() -> None:
        first, second = await asyncio.gather(answer("a"), answer("b"))
        assert (first, second) == (("a",), ("b",))
        assert current_client() is SERVER

    asyncio.run(main())
