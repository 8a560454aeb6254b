"""Docker 29 and containerd 2 pull from the mirror and push to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.engine import require
from tests.support.peers.client_matrix import TITLES, Clients
from tests.support.peers.client_report import newer, render_newer
from tests.support.peers.newer_clients import PROGRAMS, PULLS, PUSHES
from tests.support.peers.report import without_versions

if TYPE_CHECKING:
    from tests.support.peers.clients import Pull, Push

DOCUMENT = Path(__file__).parents[3] / "docs" / "clients.md"
pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]


@pytest.fixture(autouse=True)
def installed() -> None:
    require(*PROGRAMS)


@pytest.mark.parametrize("row", PULLS, ids=lambda one: one.command)
def test_a_pulled_image_is_the_stored_one(clients: Clients, row: Pull) -> None:
    for key in TITLES:
        clients.pulled(row, key)


@pytest.mark.parametrize("row", PUSHES, ids=lambda one: one.command)
def test_a_pushed_image_is_stored_unchanged(clients: Clients, row: Push) -> None:
    for key in TITLES:
        clients.pushed(row, key)


def test_the_document_records_this_run(clients: Clients) -> None:
    """`make clients-table` writes the section."""
    recorded = newer(DOCUMENT.read_text(encoding="utf-8"))
    assert without_versions(recorded) == without_versions(render_newer(clients))
