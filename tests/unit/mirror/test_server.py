"""The sockets on which the server listens."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from mirror.access import AccessFiles
from mirror.origin.proxies import TrustedProxies
from mirror.server import ServerSettings, _listen, _notify, _permitted
from mirror.service import MirrorSettings
from store.errors import Unavailable
from store.model.remedies import Remedy
from tests.support.waiting import PATIENCE_S


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


def test_without_a_certificate_there_is_no_tls() -> None:
    assert ServerSettings("", 0).context is None


@pytest.mark.parametrize(
    ("settings", "address", "writes", "logged"),
    [
        (ServerSettings("localhost", 0), "127.0.0.1", True, ""),
        (ServerSettings("", 0), "::", False, "clients may only read"),
        (ServerSettings("", 0, access=AccessFiles(anonymous_write=True)), "::", True, "may push"),
        (ServerSettings("", 0, access=AccessFiles(read_only=True)), "::", False, ""),
        (ServerSettings("", 0, access=AccessFiles(Path("users"))), "::", False, ""),
        (
            ServerSettings("", 0, mirror=MirrorSettings(proxies=TrustedProxies.parse(["::1"]))),
            "127.0.0.1",
            False,
            "clients may only read: other machines can reach the registry, and it has no users",
        ),
        (
            ServerSettings(
                "", 0, mirror=MirrorSettings(advice={Remedy.OPEN_REGISTRY: "name users"})
            ),
            "0.0.0.0",  # noqa: S104 - every address
            False,
            "; name users",
        ),
    ],
)
def test_permissions_depend_on_who_can_reach_the_server(
    settings: ServerSettings,
    address: str,
    writes: bool,
    logged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    permitted = _permitted(settings, address)
    assert permitted.access.anonymous_write is writes
    assert permitted.mirror.checks_hosts is (address == "127.0.0.1")
    assert permitted.mirror.allowed_hosts == (settings.host,)
    assert logged in caplog.text
    assert bool(logged) is bool(caplog.records)


@pytest.mark.parametrize(
    ("address", "names", "has_users", "checks"),
    [
        ("127.0.0.1", (), False, True),
        ("127.0.0.1", (), True, False),
        ("10.0.0.1", (), False, False),
        ("10.0.0.1", ("mirror.test",), False, True),
        ("10.0.0.1", ("mirror.test",), True, True),
    ],
)
def test_hosts_are_checked_on_loopback_without_users_and_on_request(
    address: str, names: tuple[str, ...], has_users: bool, checks: bool
) -> None:
    settings = ServerSettings(
        "",
        0,
        access=AccessFiles(Path("users") if has_users else None),
        mirror=MirrorSettings(allowed_hosts=names),
    )
    assert _permitted(settings, address).mirror.checks_hosts is checks


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
