"""Failures to log in, counted by where they come from."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

BURST: Final = 20
"""So many failures in a row cost nothing but themselves."""

REFILL_S: Final = 6.0
"""Then one more is allowed after so long."""

_PLACES: Final = 10_000


@final
class Throttle:
    """How often each place may still fail. ``now`` gives seconds that never go back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # When each place has as many left as ever: the later, the fewer it has left.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, address: str | None) -> float:
        """How long this place has to wait before it may try again; 0 when it may now."""
        debt_s = self._full_at.get(_place(address), 0.0) - self._now()
        return max(0.0, debt_s - (BURST - 1) * REFILL_S)

    def failed(self, address: str | None) -> None:
        """Somebody there has failed."""
        place = _place(address)
        self._full_at[place] = max(self._full_at.get(place, 0.0), self._now()) + REFILL_S
        self._full_at.move_to_end(place)
        while len(self._full_at) > _PLACES:
            # Who failed last longest ago owes least.
            self._full_at.popitem(last=False)


def _place(address: str | None) -> str:
    """One IPv4 address, or the network of 64 bits that one customer has in IPv6."""
    if address is None:
        return ""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
