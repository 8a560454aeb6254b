"""Thread pools for work that blocks: SQL, hashing, decoding, files.

Each kind of work has its own pool, so that no kind delays another: manifests are served even while
all decoders are busy. In most pools, the clients whose calls wait take turns.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from mirror.fair_threads import FairThreads
from mirror.steady_threads import SteadyThreads
from mirror.transfer.block_memory import BlockMemory, BodyMemory
from mirror.transfer.blocking_sendfile import BlockingSendfile
from mirror.transfer.threads import run
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_BLOCKS: Final = 20
"""The number of blocks for decoded bytes, 4 MiB each, for all transfers together."""
BODY_MEMORY_BYTES: Final = 24 * MIB
"""The limit of uploaded bytes in memory that are not written yet, for all uploads together."""
PLANNERS: Final = 6
"""The number of threads that plan archives, or end the leases of archives."""
SENDFILE_THREADS: Final = 32
"""The number of threads that send files, one file each."""


@final
class Pools:
    """The thread pools and memory limits of one server process.

    Args:
        cores: How many processor cores to keep busy.
        release_memory: Returns unused memory to the operating system; None to keep it.
    """

    def __init__(self, *, cores: int, release_memory: Callable[[], None] | None = None) -> None:
        self.reads = FairThreads(4, "read", skips_departed=True)
        self.writes = FairThreads(8, "write")
        self.bodies = FairThreads(2 * cores + 2, "body")
        self.files = SteadyThreads(8, "file")
        self.blocking_sendfile = BlockingSendfile(SENDFILE_THREADS)
        self.decoders = FairThreads(cores + 1, "decode")
        self.block_memory = BlockMemory(MAX_BLOCKS)
        self.body_memory = BodyMemory(
            BODY_MEMORY_BYTES, on_idle=release_memory and partial(self.files.submit, release_memory)
        )
        self.planners = SteadyThreads(PLANNERS, "plan")
        self.verifiers = SteadyThreads(2, "verify")
        self.scrubber = SteadyThreads(1, "scrub")
        self.variants = FairThreads(1, "variant")
        self.readers_variants = FairThreads(1, "readers-variant")
        self.passwords = SteadyThreads(1, "password")

    async def read(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401 - the arguments of the call
        """In a thread, run a function that queries the catalogue; return the function's result."""
        return await run(self.reads, call, *args, **kwargs)

    async def write(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
        """In a thread, run a function that changes the catalogue; return the function's result."""
        return await run(self.writes, call, *args, **kwargs)

    async def compare_password(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
        """In the only thread for passwords, run a function that compares a password.

        Return the function's result.
        """
        return await run(self.passwords, call, *args, **kwargs)

    def close(self) -> None:
        """Wait for running calls, drop waiting calls, and end the threads."""
        self.body_memory.close()
        for pool in (
            self.reads,
            self.writes,
            self.bodies,
            self.files,
            self.decoders,
            self.planners,
            self.verifiers,
            self.scrubber,
            self.variants,
            self.readers_variants,
            self.passwords,
        ):
            pool.shutdown(cancel_futures=True)
        self.blocking_sendfile.close()
