"""The challenge: the header ``WWW-Authenticate``, which asks a client to authenticate.

Spec: RFC 9110 section 11; distribution, "Token Authentication".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


class Scheme(StrEnum):
    """The authentication schemes that a challenge can ask for.

    The server accepts passwords and tokens under either scheme.
    """

    BEARER = "bearer"
    """Exchange the password for a token first.

    Anonymous clients get a token as well, so a client need not know whether it has to log in.
    """
    BASIC = "basic"
    """Send the password with every request."""


@final
@dataclass(frozen=True, slots=True)
class Challenge:
    """The settings of the challenge.

    Args:
        scheme: The scheme to ask for.
        url: The server's URL for clients; None to use the ``Host`` header of the request.
    """

    scheme: Scheme
    url: str | None = None

    def header(self, *, secure: bool, host: str, scope: str = "") -> str:
        """Return the value of ``WWW-Authenticate``.

        Args:
            secure: Whether the client uses TLS.
            host: The value of ``Host``, unchecked.
            scope: The scope that the token must have; empty for none.
        """
        if self.scheme is Scheme.BASIC or (self.url is None and not _HOST.fullmatch(host)):
            return basic()
        base = self.url or f"{'https' if secure else 'http'}://{host}"
        service = base.partition("://")[2]
        return f'Bearer realm="{base}/token",service="{service}"' + (
            f',scope="{scope}"' if scope else ""
        )


def basic() -> str:
    """Return the challenge that asks for a password."""
    return 'Basic realm="storectl", charset="UTF-8"'
