"""How a process decodes stored bytes: its ceilings, and the memory of its decoders."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final, Self, final

from store.formats.compression.decoders import LARGEST_MEMORY_BYTES
from store.formats.compression.memory import MemoryBudget
from store.model.limits import DEFAULT_LIMITS, MIB, Limits

COMMAND_MEMORY_BYTES: Final = 512 * MIB
"""The memory for the windows, dictionaries and seek tables of all decoders in a command."""

SERVER_MEMORY_BYTES: Final = LARGEST_MEMORY_BYTES + 12 * MIB
"""The same for the transfers of one server process, and again for its work in the background.

It is enough for one layer with the largest window, and for a hundred layers in gzip.
"""

BACKGROUND_WAIT_S: Final = 60.0
"""How long work in the background waits for the memory of other such work, in seconds."""


def _command_memory() -> MemoryBudget:
    # The threads of a command wait for each other: none of them ever stalls.
    return MemoryBudget(COMMAND_MEMORY_BYTES, wait_s=None)


@final
@dataclass(frozen=True, slots=True)
class Decoding:
    """The ceilings and the memory with which a process decodes stored bytes.

    Attributes:
        limits: ``layer_bytes`` and ``ratio`` bound what a pushed layer decodes to. A layer that was
            once decoded within them is bounded by its recorded size.
        memory: The memory of decoders that read a layer from its first byte to its last, such as
            those of a save or a verification.
        transfers: The memory of decoders that wait for a client.
        threads: How many layers of an image a verification decodes at once.
    """

    limits: Limits = DEFAULT_LIMITS
    memory: MemoryBudget = field(default_factory=_command_memory)
    transfers: MemoryBudget = field(default_factory=_command_memory)
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)

    @classmethod
    def of_server(cls, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Return the ceilings and the memory of one server process."""
        return cls(
            limits,
            MemoryBudget(SERVER_MEMORY_BYTES, wait_s=BACKGROUND_WAIT_S),
            # A transfer waits without a thread, and tries again.
            MemoryBudget(SERVER_MEMORY_BYTES, wait_s=0),
            # The images of all clients take turns (`mirror.verification`).
            threads=1,
        )
