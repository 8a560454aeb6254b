from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest

from remote.http.connectors import (
    ForbiddenAddress,
    OfflineConnector,
    OfflineRefusal,
    Sockets,
    guarded_connector,
    is_public,
)

if TYPE_CHECKING:
    from tests.support.faulty_registry import FaultyRegistry


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - no server binds to it
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "2002:0a00:0001::1",
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


async def _get(connector: aiohttp.BaseConnector, url: str) -> int:
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return answer.status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_guarded_connector_sends_nothing_to_private_addresses(
    host: str, scripted: FaultyRegistry
) -> None:
    async def run() -> None:
        await _get(
            guarded_connector(Sockets(), connections_per_host=1), f"http://{host}:{scripted.port}/"
        )

    with pytest.raises(aiohttp.ClientConnectorError) as raised:
        asyncio.run(run())
    assert isinstance(raised.value.os_error, ForbiddenAddress)
    assert scripted.seen == []


def test_offline_no_socket_and_no_name_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        connector = OfflineConnector()

        def refuse(*_arguments: object, **_more: object) -> None:
            raise AssertionError

        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", refuse)
            patched.setattr(socket, "getaddrinfo", refuse)
            await _get(connector, "https://r.example/")

    with pytest.raises(OfflineRefusal):
        asyncio.run(run())
