"""The server's sockets."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from mirror.server import _listen
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    import pytest


def test_without_a_host_ipv4_and_ipv6_are_served() -> None:
    with _listen("", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=PATIENCE_S).close()


def test_without_a_host_a_machine_without_ipv6_serves_ipv4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.socket

    def without_ipv6(family: int = -1, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return real(family, *rest)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    with _listen("", 0) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"  # noqa: S104 - every address, because no host was given
