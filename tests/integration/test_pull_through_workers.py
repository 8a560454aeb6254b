"""A server of several processes pulls through: each blob is fetched once for all of them."""

from __future__ import annotations

import http.client
import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from store import Store
from store.model.digests import Digest
from tests.support import tars
from tests.support.layouts import INDEX, MANIFEST, Layout, gzip
from tests.support.mirror_process import Mirror
from tests.support.pulls import Upstream
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = 100
WORKERS = 3
MANIFESTS = "/v2/team/app/manifests"


def layer(seed: int, size: int) -> bytes:
    return tars.member(b"large", random.Random(seed).randbytes(size)) + tars.END


def pull(port: int, digests: list[str]) -> None:
    """Pull an image as a client does, each part on a connection of its own."""
    for path in (
        f"{MANIFESTS}/1",
        f"{MANIFESTS}/{digests[0]}",
        *(f"/v2/team/app/blobs/{one}" for one in digests[1:]),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers={"Accept": f"{INDEX}, {MANIFEST}"})
            with connection.getresponse() as response:
                body = response.read()
            assert response.status == 200, (path, response.status, body[:300])
        finally:
            connection.close()
        name = path.rpartition("/")[2]
        assert str(Digest.of(body)) == name or name == "1", path


def test_many_clients_of_several_processes_cost_one_fetch_for_each_blob(tmp_path: Path) -> None:
    layout = Layout()
    amd64 = layout.image(*(gzip(layer(seed, 700_000 * seed)) for seed in (1, 2, 3)))
    arm64 = layout.image(gzip(layer(4, 10_000)), platform="linux/arm64")
    layout.root(layout.index(amd64, arm64), "docker.io/team/app:1")
    manifest = json.loads(layout.blobs[amd64["digest"]])
    blobs = [one["digest"] for one in (manifest["config"], *manifest["layers"])]
    root = tmp_path / "near"
    with Upstream(tmp_path) as upstream:
        upstream.serve(layout)
        host = upstream.registry.host
        words = ("--upstream", f"docker.io=http://{host}", "--workers", str(WORKERS))
        with Mirror(root, *words) as mirror, ThreadPoolExecutor(CLIENTS) as clients:
            wanted = [amd64["digest"], *blobs]
            for done in [clients.submit(pull, mirror.port, wanted) for _ in range(CLIENTS)]:
                done.result()
            for digest in blobs:
                assert upstream.registry.count("GET", f"/v2/team/app/blobs/{digest}") == 1
            # What several processes know is one image, which is published once, with its tag.
            until(lambda: "docker.io/team/app:1" in names(root))
            # Each process has asked at most once for a document that it did not know yet.
            for path in (f"{MANIFESTS}/1", f"{MANIFESTS}/{amd64['digest']}"):
                assert upstream.registry.count("GET", path) <= WORKERS
            counted = 'storectl_upstream_requests_total{upstream="docker.io",result="'
            until(lambda: total(mirror, counted) >= CLIENTS * (len(blobs) + 2))
        text = mirror.log.read_text()
        assert "Traceback" not in text
        assert '"level":"error"' not in text
    with Store.open(root) as store:
        assert list(store.fsck()) == []


def names(root: Path) -> list[str]:
    with Store.open(root, read_only=True) as store:
        return [str(one) for one in store.names("", 9)]


def total(mirror: Mirror, start: str) -> int:
    lines = mirror.request("GET", "/metrics")[2].decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith(start))
