"""The upstream registries of a running server, which change while it runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from remote.auth.credentials import NoCredentials
from remote.http.settings import ClientSettings, SameSettings
from remote.through.upstreams import Upstream, Upstreams
from store.model.references import Repository
from storectl.commands._upstream_opening import Configuration, UpstreamOpening
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from store import Store


def configuration(name: str) -> Configuration:
    return Configuration(
        Upstreams([Upstream.parse(name)]),
        ClientSettings(is_offline=True),
        NoCredentials(),
        SameSettings(),
        timedelta(minutes=1),
    )


def test_a_change_reaches_the_running_server(store: Store) -> None:
    async def work() -> None:
        opening = UpstreamOpening()
        opening.change(configuration("docker.io"))
        hub, quay = Repository("docker.io", "a/b"), Repository("quay.io", "a/b")
        async with opening.opened(store) as through:
            assert (through.has(hub), through.has(quay)) == (True, False)
            await asyncio.to_thread(opening.change, configuration("quay.io"))
            async with asyncio.timeout(PATIENCE_S):
                while not through.has(quay):  # noqa: ASYNC110 - another thread changes it
                    await asyncio.sleep(0.01)
            assert not through.has(hub)
        opening.change(configuration("docker.io"))
        async with opening.opened(store) as through:
            assert through.has(hub)

    asyncio.run(work())
