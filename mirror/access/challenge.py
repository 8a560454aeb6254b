"""How a client is asked to say who it is (RFC 9110 section 11.

The token scheme of Docker's registries).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


class Scheme(StrEnum):
    """What clients are asked for. Passwords and tokens are taken whichever it is."""

    BEARER = "bearer"
    """Trade the password for a token first: also anybody gets one, so that clients need not be told whether they have to log in."""
    BASIC = "basic"
    """Send the password with every request."""


@final
@dataclass(frozen=True, slots=True)
class Challenge:
    """Writes ``WWW-Authenticate``.

    ``url`` is where clients find this server, when it is not where they say.
    """

    scheme: Scheme
    url: str | None = None

    def header(self, *, secure: bool, host: str, scope: str = "") -> str:
        """The header's value.

        ``host`` is what the client sent as ``Host``, which may be anything.
        """
        if self.scheme is Scheme.BASIC or (self.url is None and not _HOST.fullmatch(host)):
            return basic()
        base = self.url or f"{'https' if secure else 'http'}://{host}"
        service = base.partition("://")[2]
        return f'Bearer realm="{base}/token",service="{service}"' + (
            f',scope="{scope}"' if scope else ""
        )


def basic() -> str:
    """Asks for a password."""
    return 'Basic realm="storectl", charset="UTF-8"'
