"""Count the running requests of each client whose requests trusted proxies forward.

The connections of a proxy belong to many clients, so they are not counted. Without a limit, one
client could use all connections through the proxy.
"""

from __future__ import annotations

from typing import final


@final
class ForwardedRequests:
    """The numbers of running requests, by client network.

    Args:
        limit: The largest number of running requests of one network.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: dict[str, int] = {}

    def begin(self, network: str) -> bool:
        """Count a request of a network until `end` is called.

        Returns:
            Whether the request is counted and may run; false if the network has too many running
            requests.
        """
        count = self._running.get(network, 0)
        if count >= self._limit:
            return False
        self._running[network] = count + 1
        return True

    def end(self, network: str) -> None:
        """Stop counting a request for which `begin` returned true."""
        left = self._running.pop(network) - 1
        if left:
            self._running[network] = left
