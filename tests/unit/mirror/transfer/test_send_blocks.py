"""The mirror sends decoded blocks to clients."""

from __future__ import annotations

import asyncio
import errno
import io
import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast, final

import pytest
from aiohttp import web

from mirror.transfer import send_blocks
from mirror.transfer.block_memory import BlockMemory
from mirror.transfer.decoding_account import DecodingRefusedError
from store.model.digests import Digest
from tests.support import images
from tests.support.clocks import hold_stalling
from tests.support.raw_transfers import SMALL, drain, send_requests
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirror.transfer.decoding_account import DecodingAccount
    from store import Store
    from store.content.blocks import Blocks
    from tests.support.mirror_in_process import InProcessMirror


@pytest.mark.parametrize("failing", ["drained_transport", "Socket"])
def test_failure_before_the_first_block_sends_no_head(
    failing: str,
    serve: Callable[..., InProcessMirror],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a head were sent without a body, the client would read the next answer as the body."""
    ask = serve()
    layer = images.layer("small", SMALL)
    store.import_archive(io.BytesIO(images.image(layer, tags=("app:1",)).bytes()))

    async def drained(_: web.Request) -> None:
        raise TimeoutError("the client has received no byte")

    async def of(_: web.Request) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(
        send_blocks, failing, drained if failing == "drained_transport" else SimpleNamespace(of=of)
    )
    with send_requests(ask, f"/v2/app/blobs/{Digest.of(layer)}") as client:
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert drain(client) < 1000


def test_client_with_unread_answers_holds_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled client must not hold a block, because all transfers share a few blocks."""
    memory = BlockMemory(1)
    transport = SimpleNamespace(
        get_extra_info={"socket": None}.get,
        is_closing=lambda: False,
        get_write_buffer_size=lambda: 1000,
        abort=lambda: None,
    )
    monkeypatch.setattr(send_blocks, "is_plain_socket", lambda _: True)
    clock = hold_stalling(monkeypatch, 60)

    async def main() -> None:
        request, unread = (
            cast("web.Request", SimpleNamespace(transport=transport)),
            cast("Blocks", None),
        )
        with ThreadPoolExecutor(1) as pool:
            task = asyncio.create_task(
                send_blocks.send_blocks(request, web.StreamResponse(), pool, memory, unread, 0, 10)
            )
            await asyncio.sleep(0.05)
            with await asyncio.wait_for(memory.lend(), PATIENCE_S):
                assert not task.done()
            clock.now += 60
            with pytest.raises(TimeoutError):
                await task

    asyncio.run(main())


@final
class _Skipper:
    """Blocks whose first reads only skip bytes."""

    def __init__(self, skips: int, size_bytes: int = 10) -> None:
        self.size_bytes = size_bytes
        self.reads = 0
        self._skips = skips

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        del position, buffer
        self.reads += 1
        return memoryview(b"" if self.reads <= self._skips else bytes(self.size_bytes))

    def close(self) -> None:
        """Do nothing."""


@final
class _Account:
    """An account that allows a number of reads."""

    def __init__(self, allowed: int) -> None:
        self._left = allowed

    def charge(self, processor_s: float) -> None:
        del processor_s
        self._left -= 1

    @property
    def wait_s(self) -> float:
        return 0.0 if self._left > 0 else 7.0


def _send(blocks: _Skipper, account: _Account, transport: object) -> None:
    async def main() -> None:
        request = cast("web.Request", SimpleNamespace(transport=transport))
        with ThreadPoolExecutor(1) as pool:
            await send_blocks.send_blocks(
                request,
                web.StreamResponse(),
                pool,
                BlockMemory(1),
                blocks,
                0,
                10,
                account=cast("DecodingAccount", account),
            )

    asyncio.run(main())


def test_a_client_that_has_spent_its_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_blocks, "is_plain_socket", lambda _: False)
    blocks = _Skipper(skips=100)
    with pytest.raises(DecodingRefusedError) as caught:
        _send(blocks, _Account(allowed=3), SimpleNamespace(is_closing=lambda: False))
    assert blocks.reads == 3
    assert caught.value.wait_s == 7.0


def test_decoding_stops_when_the_client_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_blocks, "is_plain_socket", lambda _: False)
    blocks = _Skipper(skips=100)
    transport = SimpleNamespace(is_closing=lambda: blocks.reads >= 5)
    with pytest.raises(ConnectionResetError):
        _send(blocks, _Account(allowed=50), transport)
    assert blocks.reads == 5
