"""Real clients use the mirror over HTTP without a user, and over TLS with a user.

docs/clients.md records this run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.engine import require
from tests.support.peers.client_matrix import TITLES, Clients
from tests.support.peers.client_report import render, with_newer
from tests.support.peers.clients import ORAS, PULLS, PUSHES, REGCTL
from tests.support.peers.crane import PROGRAM as CRANE
from tests.support.peers.report import without_versions
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.clients import Pull, Push

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("clients")]
DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    """Start one set of clients and two mirrors for all cells."""
    require(
        "dockerd",
        "skopeo",
        "podman",
        "buildah",
        "containerd",
        "ctr",
        "docker-registry",
        CRANE,
        REGCTL,
        ORAS,
    )
    with Workshop() as shop, Clients(shop) as opened:
        yield opened
        for endpoint in opened.endpoints:
            assert endpoint.findings() == []
            assert endpoint.mirror.stop() == 0
            log = endpoint.mirror.log.read_text()
            assert "Traceback" not in log, log
            assert "ERROR" not in log, log


@pytest.mark.parametrize("row", PULLS, ids=lambda one: one.command)
def test_a_pulled_image_is_the_stored_one(clients: Clients, row: Pull) -> None:
    for key in TITLES:
        clients.pulled(row, key)


@pytest.mark.parametrize("row", PUSHES, ids=lambda one: one.command)
def test_a_pushed_image_is_stored_unchanged(clients: Clients, row: Push) -> None:
    for key in TITLES:
        clients.pushed(row, key)


@pytest.mark.parametrize("endpoint", [0, 1], ids=["HTTP", "TLS"])
def test_an_image_from_an_archive_runs_in_docker(clients: Clients, endpoint: int) -> None:
    clients.run_in_docker(clients.endpoints[endpoint])


@pytest.mark.parametrize("endpoint", [0, 1], ids=["HTTP", "TLS"])
def test_artifacts_are_attached_found_and_pulled(clients: Clients, endpoint: int) -> None:
    clients.attach_with_oras(clients.endpoints[endpoint])
    clients.attach_with_regctl(clients.endpoints[endpoint])


def test_the_document_records_this_run(clients: Clients) -> None:
    """`make interop-table` writes the document."""
    recorded = with_newer(DOCUMENT.read_text(encoding="utf-8"), "")
    assert without_versions(recorded) == without_versions(render(clients))
