"""What a server that pulls through has done since its start, for its metrics."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import final


class Outcome(StrEnum):
    """How a request of a client for content of an upstream registry was answered."""

    HIT = "hit"
    """The store had the answer."""
    MISS = "miss"
    """The upstream registry had the answer."""
    STALE = "stale"
    """The store had an answer, and the upstream registry could not be asked whether it is old."""
    ERROR = "error"
    """Neither had an answer."""


@final
class Counts:
    """Counters of one process. All methods belong to one event loop.

    Attributes:
        requests: The requests of clients, by the domain of the repository and the outcome.
        errors: The requests that a registry did not answer, by the registry.
        received_bytes: The bytes of blobs and manifests, by the registry that has sent them.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, Outcome]] = Counter()
        self.errors: Counter[str] = Counter()
        self.received_bytes: Counter[str] = Counter()
