"""The audit log: one line for each denied request, with a ceiling for each network.

A client can cause any number of denials. Its network gets a limited number of lines, and all
networks together do too; the lines say how many were left out. The metrics count all denials.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

from mirror.access.throttle import client_networks
from mirror.origin.origins import address
from mirror.process.logs import FIELDS, RESOURCE, USER, logged_path
from mirror.protocol.errors import NOT_LOGGED_IN

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from mirror.process.metrics import Metrics
    from mirror.protocol.errors import WireError

AUDIT: Final = logging.getLogger("mirror.audit")

NETWORK_LINES: Final = 20
NETWORK_LINE_S: Final = 10.0
"""How many lines one network may cause in a row, and after how many seconds one more."""

ALL_LINES: Final = 200
ALL_LINE_S: Final = 0.125
"""The same for all networks together, in one process."""

_ALL: Final = "*"
_MAX_NETWORKS: Final = 1000


@final
class AuditLog:
    """The log of denied requests of one process.

    Args:
        metrics: The counters in which each denial is counted.
        clock: Returns the time of a monotonic clock, in seconds.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._restored_at: OrderedDict[str, float] = OrderedDict()
        """When all lines of a network are restored; the network that was used last is at the end.
        The lines of all networks together are those of `_ALL`."""
        self._left_out = 0

    def denied(self, request: web.BaseRequest, error: WireError) -> None:
        """Count a denied request, and log it if its network has a line left.

        Args:
            request: The request that was denied.
            error: The answer, whose ``denial`` says why.
        """
        denial = error.denial
        if denial is None:
            return
        if denial.reason == NOT_LOGGED_IN and "Authorization" not in request.headers:
            # Clients send each first request without credentials, to learn how to log in.
            return
        self._metrics.count_event("denied_requests")
        client = address(request)
        now = self._clock()
        region = client_networks(client)[1]
        if not (
            self._has_line(region, now, NETWORK_LINES, NETWORK_LINE_S)
            and self._has_line(_ALL, now, ALL_LINES, ALL_LINE_S)
        ):
            self._left_out += 1
            return
        self._use_line(region, now, NETWORK_LINE_S)
        self._use_line(_ALL, now, ALL_LINE_S)
        fields = {
            "remote": client,
            "user": request.get(USER),
            "claimed_user": denial.claimed_user,
            "method": request.method,
            "path": logged_path(request),
            "resource": request.get(RESOURCE),
            "action": denial.action,
            "repository": denial.repository,
            "status": error.status,
            "reason": denial.reason,
            "left_out": self._left_out,
        }
        AUDIT.warning("denied", extra={FIELDS: fields})
        self._left_out = 0

    def _has_line(self, name: str, now: float, lines: int, line_s: float) -> bool:
        return self._restored_at.get(name, now) - now <= (lines - 1) * line_s

    def _use_line(self, name: str, now: float, line_s: float) -> None:
        self._restored_at[name] = max(self._restored_at.get(name, now), now) + line_s
        self._restored_at.move_to_end(name)
        while len(self._restored_at) > _MAX_NETWORKS:
            self._restored_at.popitem(last=False)
