"""A mirror that answers with content of an upstream registry while it fetches it."""

from __future__ import annotations

import http.client
import json
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import uvloop

from mirror.access import Access
from mirror.service import MirrorSettings
from remote.http.settings import ClientSettings
from remote.registry.client import RegistryClient
from remote.through.cache import PullThrough
from remote.through.tag_rows import TagRows
from remote.through.upstreams import Upstream as UpstreamRegistry
from remote.through.upstreams import Upstreams
from store.formats.image.media_types import OCI_MANIFEST
from store.model.digests import Digest
from tests.support.faulty_registry import Answer, Rewrite
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.mirror_in_process import InProcessMirror
from tests.support.pulls import Upstream
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from store import Store

ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
MANIFEST = "/v2/team/app/manifests"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def running(
    upstream: Upstream, store: Store, clock: Clock, access: Access
) -> Iterator[InProcessMirror]:
    @asynccontextmanager
    async def opened(store: Store) -> AsyncIterator[PullThrough]:
        upstreams = Upstreams(
            [UpstreamRegistry.parse(f"docker.io=http://{upstream.registry.host}")]
        )
        async with RegistryClient(
            ClientSettings(retries=0, max_wait_s=0), registries=upstreams.settings()
        ) as client:
            through = PullThrough(
                store,
                upstreams,
                client,
                TagRows(store),
                max_age=timedelta(minutes=1),
                now=lambda: clock.now,
            )
            yield through
            await through.close()

    settings = MirrorSettings(access=access, through=opened)
    with InProcessMirror(store, settings, uvloop.new_event_loop) as mirror:
        yield mirror


@pytest.fixture
def mirror(upstream: Upstream, store: Store, clock: Clock) -> Iterator[InProcessMirror]:
    with running(upstream, store, clock, Access()) as mirror:
        yield mirror


@pytest.fixture
def readable(upstream: Upstream, store: Store, clock: Clock) -> Iterator[InProcessMirror]:
    """A mirror whose clients may only read."""
    with running(upstream, store, clock, Access(anonymous_write=False)) as mirror:
        yield mirror


def pull(mirror: InProcessMirror, layout: Layout, digest: str) -> None:
    document = json.loads(layout.blobs[digest])
    for link in (document["config"], *document["layers"]):
        answer = mirror("GET", f"/v2/team/app/blobs/{link['digest']}")
        assert (answer.status, answer.body) == (200, layout.blobs[link["digest"]])


def fetched(layout: Layout, *documents: dict[str, str]) -> set[str]:
    """Return the digests of some documents, and of the blobs of the last one."""
    last = json.loads(layout.blobs[documents[-1]["digest"]])
    blobs = (last["config"], *last["layers"])
    return {one["digest"] for one in (*documents, *blobs)}


def test_an_index_is_served_sparse_and_stays_when_upstream_is_gone(
    upstream: Upstream, mirror: InProcessMirror, store: Store, clock: Clock
) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, arm64)
    layout.root(index, "docker.io/team/app:1")
    upstream.serve(layout)
    for target, wanted in (("1", index), (amd64["digest"], amd64)):
        answer = mirror("GET", f"{MANIFEST}/{target}", Accept=ACCEPT)
        assert (answer.status, answer.body) == (200, layout.blobs[wanted["digest"]])
        assert answer.headers["Docker-Content-Digest"] == wanted["digest"]
    pull(mirror, layout, amd64["digest"])
    until(lambda: [str(one) for one in store.names("", 9)] == ["docker.io/team/app:1"])
    assert upstream.registry.count("", arm64["digest"]) == 0
    assert list(store.fsck()) == []
    upstream.registry.clear()
    upstream.registry.always(Answer(503))
    clock.now += timedelta(hours=3)
    answer = mirror("GET", f"{MANIFEST}/1", Accept=ACCEPT)
    assert (answer.status, answer.body) == (200, layout.blobs[index["digest"]])
    assert answer.headers["Warning"] == '299 - "last checked 3 h ago"'
    assert answer.headers["Age"] == "10800"
    pull(mirror, layout, amd64["digest"])
    assert mirror("GET", f"{MANIFEST}/{arm64['digest']}", Accept=ACCEPT).status == 503
    metrics = mirror("GET", "/metrics").body.decode()
    # The index, the image, its config and its layer: twice from the store, and once from upstream.
    for result, count in (("hit", 2), ("miss", 4), ("stale", 1), ("error", 1)):
        line = f'storectl_upstream_requests_total{{upstream="docker.io",result="{result}"}} {count}'
        assert line in metrics.splitlines()
    host = upstream.registry.host
    assert f'storectl_upstream_errors_total{{registry="{host}"}} 1\n' in metrics
    size = sum(
        len(data)
        for digest, data in layout.blobs.items()
        if digest in fetched(layout, index, amd64)
    )
    assert f'storectl_upstream_received_bytes_total{{registry="{host}"}} {size}\n' in metrics


@pytest.mark.parametrize(("status", "answered"), [(404, 404), (401, 503), (429, 429), (500, 503)])
def test_a_miss_says_why(
    upstream: Upstream, mirror: InProcessMirror, status: int, answered: int
) -> None:
    upstream.registry.always(Answer(status))
    answer = mirror("GET", f"{MANIFEST}/1", Accept=ACCEPT)
    assert answer.status == answered
    assert upstream.registry.host in json.loads(answer.body)["errors"][0]["message"]
    assert "Retry-After" not in answer.headers
    again = mirror("GET", f"{MANIFEST}/2", Accept=ACCEPT)
    assert again.status == answered
    # A failure of the whole registry is remembered.
    assert ("Retry-After" in again.headers) == (status in {429, 500})


def test_a_client_that_may_push_is_told_only_of_blobs_of_the_store(
    upstream: Upstream, mirror: InProcessMirror
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, "docker.io/team/app:1")
    upstream.serve(layout)
    document = json.loads(layout.blobs[image["digest"]])
    for link in (document["config"], *document["layers"]):
        digest = link["digest"]
        # The access of the test's client allows pushes.
        assert mirror("HEAD", f"/v2/team/app/blobs/{digest}").status == 404
        path = f"/v2/team/app/blobs/uploads/?digest={digest}"
        assert mirror("POST", path, body=layout.blobs[digest]).status == 201
        assert mirror("HEAD", f"/v2/team/app/blobs/{digest}").status == 200
    assert upstream.registry.count("", "/blobs/") == 0
    answer = mirror(
        "PUT",
        f"{MANIFEST}/mine",
        body=layout.blobs[image["digest"]],
        **{"Content-Type": image["mediaType"]},
    )
    assert answer.status == 201


def test_a_range_and_a_head_of_a_blob(upstream: Upstream, readable: InProcessMirror) -> None:
    mirror = readable
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    upstream.serve(layout)
    blob = gzip(A).data
    digest = next(key for key, data in layout.blobs.items() if data == blob)
    path = f"/v2/team/app/blobs/{digest}"
    answer = mirror("HEAD", path)
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(blob)))
    answer = mirror("GET", path, Range="bytes=10-19")
    assert (answer.status, answer.body) == (206, blob[10:20])


def test_false_bytes_are_never_a_whole_answer(upstream: Upstream, mirror: InProcessMirror) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    upstream.serve(layout)
    digest = next(key for key, data in layout.blobs.items() if data == gzip(A).data)
    upstream.registry.always(Rewrite(flip=True), method="GET", path=digest)
    try:
        answer = mirror("GET", f"/v2/team/app/blobs/{digest}")
    except Exception:  # noqa: BLE001 - the connection was closed
        return
    assert answer.status != 200 or len(answer.body) < len(gzip(A).data)


def test_lists_have_what_the_store_and_upstream_have(
    upstream: Upstream, mirror: InProcessMirror, clock: Clock
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, "docker.io/team/app:1")
    upstream.serve(layout)
    tags = "/v2/team/app/tags/list"
    assert mirror("GET", tags).json == {"name": "team/app", "tags": ["1"]}
    assert mirror("GET", f"{tags}?last=1").json["tags"] == []
    signature = signature_of(image)
    for number, target in enumerate((upstream.registry.port, mirror.port)):
        push_artifact(target, dict(signature, annotations={"n": str(number)}))
    clock.now += timedelta(minutes=2)
    referrers = f"/v2/team/app/referrers/{image['digest']}"
    answer = mirror("GET", referrers)
    digests = [one["digest"] for one in answer.json["manifests"]]
    assert len(digests) == 2
    assert digests == sorted(digests)
    assert "Warning" not in answer.headers
    answer = mirror("GET", f"{referrers}?artifactType=example/other")
    assert answer.json["manifests"] == []
    answer = mirror("GET", f"{referrers}?last={digests[0]}")
    assert [one["digest"] for one in answer.json["manifests"]] == digests[1:]
    # Upstream fails: the store has one of the referrers, and remembers the list of tags.
    upstream.registry.always(Answer(503))
    clock.now += timedelta(minutes=2)
    answer = mirror("GET", referrers)
    assert len(answer.json["manifests"]) == 1
    assert answer.headers["Warning"].startswith("299 ")
    answer = mirror("GET", tags)
    assert (answer.status, answer.json["tags"]) == (200, ["1"])
    assert answer.headers["Warning"] == '299 - "last checked 4 m ago"'
    assert answer.headers["Age"] == "240"
    assert mirror("GET", "/v2/team/other/tags/list").status == 503


def test_a_registry_that_fails_before_it_has_sent_a_list_leaves_that_of_the_store(
    upstream: Upstream, mirror: InProcessMirror
) -> None:
    upstream.registry.always(Answer(503))
    push_artifact(mirror.port, signature_of(Layout().image(gzip(A))))
    answer = mirror("GET", "/v2/team/app/tags/list")
    assert (answer.status, answer.json["tags"]) == (200, [])
    assert answer.headers["Warning"].endswith('stored content only"')
    assert "Age" not in answer.headers


def push_artifact(port: int, document: dict[str, object]) -> None:
    """Push a manifest whose config and layer are empty."""
    data = json.dumps(document).encode()
    for method, path, body in (
        ("POST", f"/v2/team/app/blobs/uploads/?digest={Digest.of(b'{}')}", b"{}"),
        ("PUT", f"{MANIFEST}/{Digest.of(data)}", data),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request(method, path, body, {"Content-Type": OCI_MANIFEST})
        assert connection.getresponse().status == 201
        connection.close()


def signature_of(subject: dict[str, object]) -> dict[str, object]:
    empty = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": str(Digest.of(b"{}")),
        "size": 2,
    }
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "example/signature",
        "config": empty,
        "layers": [empty],
        "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
    }
