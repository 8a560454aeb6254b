"""What an offline mirror says of an image that it lacks."""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import uvloop

from mirror.access import Access, read_rules
from mirror.service import MirrorSettings
from remote.http.settings import ClientSettings
from remote.registry.client import RegistryClient
from remote.through.cache import PullThrough
from remote.through.tag_rows import TagRows
from remote.through.upstreams import Upstream, Upstreams
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.mirror_in_process import InProcessMirror

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from store import Store

OFFLINE = "the store does not have it, and this server is offline"
MISSING = Layout().absent("linux/arm64")["digest"]
RULES = """
[[rule]]
repositories = ["team/**", "quay.io/open/**"]
who = ["@all"]
allow = ["read"]
"""


@pytest.fixture
def mirror(store: Store) -> Iterator[InProcessMirror]:
    layout = Layout()
    layout.root(
        layout.index(layout.image(gzip(A)), layout.absent("linux/arm64")), "docker.io/team/app:1.4"
    )
    image = layout.image(gzip(B))
    for name in ("docker.io/team/app:2", "quay.io/open/web:1", "quay.io/secret/web:1"):
        layout.root(image, name)
    store.import_archive(io.BytesIO(layout.tar()))

    @asynccontextmanager
    async def opened(store: Store) -> AsyncIterator[PullThrough]:
        upstreams = Upstreams([Upstream.parse("docker.io"), Upstream.parse("quay.io")])
        async with RegistryClient(ClientSettings(is_offline=True)) as client:
            through = PullThrough(
                store,
                upstreams,
                client,
                TagRows(store),
                max_age=timedelta(minutes=1),
                now=store.now,
            )
            yield through
            await through.close()

    settings = MirrorSettings(access=Access(rules=read_rules(RULES)), through=opened)
    with InProcessMirror(store, settings, uvloop.new_event_loop) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("team/app/manifests/1.5", "it has team/app:1.4 and team/app:2"),
        ("open/web/manifests/2?ns=quay.io", "it has quay.io/open/web:1"),
        # The caller may not read the other repository with this name.
        ("team/web/manifests/1", "it has quay.io/open/web"),
        (f"team/app/manifests/{MISSING}", "it has the image of this index for linux/amd64"),
        (f"team/app/manifests/{Layout().absent()['digest']}", None),
        ("team/zoo/manifests/1", None),
    ],
)
def test_a_miss_says_what_is_near(mirror: InProcessMirror, path: str, near: str | None) -> None:
    answer = mirror("GET", f"/v2/{path}")
    (error,) = json.loads(answer.body)["errors"]
    assert (answer.status, error["code"]) == (404, "MANIFEST_UNKNOWN")
    assert error["message"] == (OFFLINE if near is None else f"{OFFLINE}; {near}")
