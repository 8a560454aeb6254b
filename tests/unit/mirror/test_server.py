"""The sockets on which the server listens."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from mirror.connections.tls import Certificate
from mirror.server import ServerSettings, _listen, _notify
from store.errors import Unavailable
from store.model.remedies import Remedy
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


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


def test_address_in_use_is_named_with_its_reason() -> None:
    with _listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Unavailable) as failed:
            _listen("127.0.0.1", port)
    assert f"127.0.0.1:{port}" in failed.value.message
    assert failed.value.remedy is Remedy.LISTEN_ELSEWHERE
    assert failed.value.hint == "another process listens at this address"


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(Unavailable) as failed:
        _listen(host, 1)
    assert host in failed.value.message
    assert failed.value.remedy is Remedy.LISTEN_ELSEWHERE


def test_client_certificates_are_required_only_with_authorities(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path / "cert", tmp_path / "key")
    with_authorities = Certificate(tmp_path / "cert", tmp_path / "key", tmp_path / "ca")
    assert not ServerSettings("", 0).requires_client_certificate
    assert not ServerSettings("", 0, certificate).requires_client_certificate
    assert ServerSettings("", 0, with_authorities).requires_client_certificate
    assert ServerSettings("", 0).context is None


def test_systemd_is_told_the_state_at_the_socket_it_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        _notify("READY=1")
        assert receiver.recv(100) == b"READY=1"
    # The server continues if systemd has ended or was never there.
    _notify("STOPPING=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    _notify("STOPPING=1")
