"""Clients that `.ci/run` does not build: their tests run with STORECTL_CLIENTS=1 (`make clients`).

Without that variable the tests are deselected, so a run without them says how many it left out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import images
from tests.support.peers.client_matrix import Clients
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.mirror_endpoint import Endpoint

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("STORECTL_CLIENTS"):
        return
    left_out = [item for item in items if item.path.is_relative_to(FOLDER)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="package")
def clients() -> Iterator[Clients]:
    """Two mirrors, over HTTP and over TLS with a user, for all tests of this folder."""
    with Workshop() as shop, Clients(shop) as opened:
        yield opened
        for endpoint in opened.endpoints:
            assert endpoint.findings() == []
            assert endpoint.mirror.stop() == 0
            log = endpoint.mirror.log.read_text()
            assert "Traceback" not in log, log
            assert "ERROR" not in log, log


@pytest.fixture(params=[0, 1], ids=["HTTP", "TLS"])
def endpoint(clients: Clients, request: pytest.FixtureRequest) -> Endpoint:
    """One of the two mirrors."""
    number: int = request.param
    return clients.endpoints[number]


@pytest.fixture
def app(endpoint: Endpoint, request: pytest.FixtureRequest) -> str:
    """The full name, with a tag, of a new image in the mirror."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())
    name = f"signed/{'-'.join(filter(None, letters.split('-')))}:1"
    endpoint.import_archive(images.image(images.A, images.B, tags=(name,)).bytes())
    return f"{endpoint.host}/{name}"
