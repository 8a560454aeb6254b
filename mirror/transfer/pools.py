"""Threads for what blocks: SQL, hashing, decoding.

One pool for each kind, so that none starves another: manifests are answered while every decoder is
busy.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from mirror.transfer.block_memory import BlockMemory, BodyMemory
from mirror.transfer.blocking_sendfile import BlockingSendfile
from mirror.transfer.threads import run
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_BLOCKS: Final = 20
"""Blocks of decoded bytes that are in memory at once, 4 MiB each, however many transfers are running."""
BODY_MEMORY_BYTES: Final = 24 * MIB
"""Of uploads, in memory and not written yet, however many are running."""

SENDFILE_THREADS: Final = 32
"""Files that are sent by threads at once."""


@final
class Pools:
    """The pools of one server process."""

    def __init__(self, *, cores: int, release_memory: Callable[[], None] | None = None) -> None:
        self.reads = ThreadPoolExecutor(4, thread_name_prefix="read")
        self.writes = ThreadPoolExecutor(8, thread_name_prefix="write")
        self.bodies = ThreadPoolExecutor(2 * cores + 2, thread_name_prefix="body")
        self.files = ThreadPoolExecutor(8, thread_name_prefix="file")
        self.blocking_sendfile = BlockingSendfile(SENDFILE_THREADS)
        self.decoders = ThreadPoolExecutor(cores + 1, thread_name_prefix="decode")
        self.block_memory = BlockMemory(MAX_BLOCKS)
        self.body_memory = BodyMemory(
            BODY_MEMORY_BYTES, on_idle=release_memory and partial(self.files.submit, release_memory)
        )
        self.planners = ThreadPoolExecutor(2, thread_name_prefix="plan")
        self.verifiers = ThreadPoolExecutor(1, thread_name_prefix="verify")
        self.variants = ThreadPoolExecutor(1, thread_name_prefix="variant")
        self.passwords = ThreadPoolExecutor(1, thread_name_prefix="password")

    async def read(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401 - the call's own
        """A question to the catalogue."""
        return await run(self.reads, call, *args, **kwargs)

    async def write(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
        """A change of the catalogue."""
        return await run(self.writes, call, *args, **kwargs)

    async def compare_password(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
        """A password."""
        return await run(self.passwords, call, *args, **kwargs)

    def close(self) -> None:
        """Stop when what is running is done."""
        self.body_memory.close()
        for pool in (
            self.reads,
            self.writes,
            self.bodies,
            self.files,
            self.decoders,
            self.planners,
            self.verifiers,
            self.variants,
            self.passwords,
        ):
            pool.shutdown(cancel_futures=True)
        self.blocking_sendfile.close()
