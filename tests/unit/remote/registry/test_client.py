from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from remote.errors import AccessDenied, InvalidAnswer, Offline
from remote.registry.values import Tag
from store.errors import InvalidReference
from tests.support.faulty_registry import Answer, FaultyRegistry
from tests.support.remote_client import use, with_client

if TYPE_CHECKING:
    from remote.registry.client import RegistryClient


def test_repositories_of_a_registry_share_it() -> None:
    async def run(client: RegistryClient) -> None:
        one, other = client.host("r.example"), client.host("r.example")
        assert one is other
        assert client.host("other.example") is not one
        assert client.repository("r.example", "app").name == "app"
        with pytest.raises(InvalidReference):
            client.repository("me@r.example", "app")

    with_client(run)


def test_a_ping(faulty: FaultyRegistry, scripted: FaultyRegistry) -> None:
    with_client(lambda client: client.ping(faulty.host))
    assert faulty.seen[0].target == "/v2/"
    scripted.inject(Answer(401, {"WWW-Authenticate": "Basic realm=x"}))
    with pytest.raises(AccessDenied, match="cannot reach the registry"):
        with_client(lambda client: client.ping(scripted.host))
    scripted.inject(Answer(404))
    with pytest.raises(InvalidAnswer):
        with_client(lambda client: client.ping(scripted.host))


def test_offline_no_socket_is_opened(
    faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: connected.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: connected.append(arguments))
    with pytest.raises(Offline, match=f"offline: no request is sent to {faulty.host}"):
        use(faulty.host, lambda it: it.manifest(Tag("1")), is_offline=True)
    assert (connected, faulty.seen) == ([], [])
