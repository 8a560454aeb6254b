"""Docker 28 and 29 and containerd 2 pull through a mirror, and then without upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.engine import require
from tests.support.peers.pull_through import NEWER_PULL_THROUGH, drill
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from tests.support.peers.pull_through import Client

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]


@pytest.mark.parametrize("client", NEWER_PULL_THROUGH, ids=lambda one: one.title)
def test_a_client_pulls_through_and_then_without_upstream(client: Client) -> None:
    require(*client.programs, "strace")
    with Workshop() as shop:
        drill(client, shop.folder / "drill")
