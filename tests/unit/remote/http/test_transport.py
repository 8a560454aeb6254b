from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from remote.http.connectors import ForbiddenAddress
from remote.http.proxies import Proxies
from remote.http.settings import ClientSettings, RegistrySettings
from remote.http.transport import Transport
from store.errors import InvalidInput
from tests.support.faulty_registry import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faulty_registry import FaultyRegistry


async def _send(transport: Transport, url: str, *, is_guarded: bool = False) -> int:
    try:
        answer = await transport.send(
            "GET",
            URL(url),
            headers={"X-Mine": "1"},
            registry=RegistrySettings(),
            is_registry=True,
            is_guarded=is_guarded,
        )
        answer.release()
        return answer.status
    finally:
        await transport.close()


def test_a_request_has_the_common_headers(scripted: FaultyRegistry) -> None:
    async def run() -> tuple[int, Transport]:
        transport = Transport(ClientSettings(user_agent="storectl/1"))
        return await _send(transport, f"http://{scripted.host}/x"), transport

    scripted.always(Answer(204))
    status, transport = asyncio.run(run())
    assert (status, transport.requests) == (204, {"GET": 1})
    headers = scripted.seen[0].headers
    assert headers["User-Agent"] == "storectl/1"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["X-Mine"] == "1"
    assert "Cookie" not in headers


def test_certificates_are_read_for_tls_only(scripted: FaultyRegistry, tmp_path: Path) -> None:
    async def run(scheme: str) -> int:
        transport = Transport(ClientSettings(ca_files=(tmp_path / "missing.pem",)))
        return await _send(transport, f"{scheme}://{scripted.host}/x")

    scripted.always(Answer(204))
    assert asyncio.run(run("http")) == 204
    with pytest.raises(InvalidInput):
        asyncio.run(run("https"))


def test_requests_go_through_the_proxy(scripted: FaultyRegistry) -> None:
    proxies = Proxies(http=f"http://me:secret@{scripted.host}")

    async def run() -> int:
        return await _send(Transport(ClientSettings(proxies=proxies)), "http://r.example/x")

    scripted.always(Answer(204))
    assert asyncio.run(run()) == 204
    assert scripted.seen[0].target == "http://r.example/x"
    assert scripted.seen[0].headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "http://169.254.169.254/"])
def test_a_proxy_is_not_asked_for_private_addresses(url: str, scripted: FaultyRegistry) -> None:
    proxies = Proxies(http=f"http://{scripted.host}")

    async def run(url: str) -> int:
        return await _send(Transport(ClientSettings(proxies=proxies)), url, is_guarded=True)

    with pytest.raises(ForbiddenAddress):
        asyncio.run(run(url))
    assert scripted.seen == []
    scripted.always(Answer(204))
    assert asyncio.run(run("http://r.example/x")) == 204


def test_hosts_are_public_if_all_their_addresses_are(scripted: FaultyRegistry) -> None:
    async def run() -> dict[str, bool]:
        transport = Transport(ClientSettings())
        await _send(transport, f"http://localhost:{scripted.port}/")
        names = ("localhost", "127.0.0.1", "[::1]", "1.1.1.1", "unknown.example")
        return {name: transport.is_public(name) for name in names}

    scripted.always(Answer(204))
    assert asyncio.run(run()) == {
        "localhost": False,
        "127.0.0.1": False,
        "[::1]": False,
        "1.1.1.1": True,
        "unknown.example": True,
    }
