"""What a server that pulls through has done since its start, for its metrics."""

from __future__ import annotations

import json
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

    def dump(self) -> bytes:
        """Return the counters as a text, for another process."""
        requests = [[*key, count] for key, count in self.requests.items()]
        return json.dumps([requests, self.errors, self.received_bytes]).encode()

    def add(self, text: bytes) -> None:
        """Add the counters of another process.

        Args:
            text: What its `dump` has returned; nothing if it is empty.
        """
        if not text:
            return
        requests, errors, received_bytes = json.loads(text)
        for upstream, outcome, count in requests:
            self.requests[upstream, Outcome(outcome)] += count
        self.errors.update(errors)
        self.received_bytes.update(received_bytes)
