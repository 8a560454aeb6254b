"""Times of pulls through the mirror beside direct pulls and distribution's proxy, at full size.

The tests run with ``STORECTL_PULL_THROUGH=full``, and print their figures (``pytest -s``). Times
of a busy machine say little, so no time is asserted: figures of one run are compared in pairs.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import statistics
import time
from typing import TYPE_CHECKING, Final, final

import aiohttp
import pytest

from store.model.digests import Digest
from store.model.limits import MIB
from tests.support.engine import program, require
from tests.support.layouts import Layout, gzip
from tests.support.mirror_process import Mirror
from tests.support.peers.process import Programs, Server, free_port, listens
from tests.support.tars import member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(
        os.environ.get("STORECTL_PULL_THROUGH") != "full",
        reason="takes minutes; set STORECTL_PULL_THROUGH=full",
    ),
]

CONFIG: Final = """version: 0.1
log: {{accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
ROUNDS: Final = 5
CLIENTS: Final = 100
IMAGES: Final = 10
ACCEPT: Final = {"Accept": "application/vnd.oci.image.manifest.v1+json"}


@final
class Distribution:
    """Debian's docker-registry with a log of its requests; with an upstream, a proxy of it."""

    def __init__(self, programs: Programs, folder: Path, upstream: str = "") -> None:
        folder.mkdir()
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        self.log = folder / "log"
        text = CONFIG.format(folder=folder, port=port)
        if upstream:
            text += f"proxy: {{remoteurl: 'http://{upstream}'}}\n"
        (folder / "config.yml").write_text(text)
        command = [program("docker-registry"), "serve", f"{folder}/config.yml"]
        self._server = Server(command, self.log, programs.environment).await_start(
            lambda: listens(port)
        )

    def __enter__(self) -> Distribution:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.stop()

    def blob_reads(self, path: str) -> int:
        """Return how many GET requests for blobs of a repository were answered."""
        return self.log.read_text().count(f'"GET /v2/{path}/blobs/')


def pushed(programs: Programs, folder: Path, host: str, path: str, *sizes: int) -> None:
    """Push an image with layers of whole MiB of these sizes in bytes; their content is random."""
    layout = Layout()
    source = random.Random(path)
    tars = (
        # Python makes fewer than 256 MiB at a time.
        member(b"file", b"".join(source.randbytes(MIB) for _ in range(size // MIB))) + bytes(1024)
        for size in sizes
    )
    layout.root(layout.image(*(gzip(tar, level=1) for tar in tars)), "docker.io/team/app:1")
    archive = folder / f"{path.replace('/', '-')}.tar"
    archive.write_bytes(layout.tar())
    programs.run(
        *("skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"),
        *(f"oci-archive:{archive}", f"docker://{host}/{path}:1"),
    )


def pull(programs: Programs, folder: Path, host: str, path: str) -> float:
    """Copy the image into a folder, and return the seconds."""
    begin = time.perf_counter()
    programs.run(
        *("skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false"),
        *(f"docker://{host}/{path}:1", f"dir:{folder / 'copied'}"),
    )
    return time.perf_counter() - begin


@pytest.mark.parametrize("sizes", [(2, 1), (400, 200, 150, 100, 50)])
def test_cold_and_warm_pulls(sizes: tuple[int, ...], tmp_path: Path) -> None:
    require("docker-registry", "skopeo")
    programs, path = Programs(tmp_path / "programs"), "team/app"
    ratios: dict[str, list[float]] = {}
    with Distribution(programs, tmp_path / "far") as far:
        pushed(programs, tmp_path, far.host, path, *(size * MIB for size in sizes))
        pull(programs, tmp_path, far.host, path)

        def ours(folder: Path) -> Mirror:
            return Mirror(folder, "-q", "--upstream", f"docker.io=http://{far.host}")

        def proxy(folder: Path) -> Distribution:
            return Distribution(programs, folder, far.host)

        kinds: list[tuple[str, Callable[[Path], Mirror | Distribution]]] = [
            ("storectl", ours),
            ("distribution", proxy),
        ]
        for number in range(ROUNDS):
            direct = pull(programs, tmp_path, far.host, path)
            for kind, opened in kinds if number % 2 else kinds[::-1]:
                with opened(tmp_path / f"{kind}-{number}") as mirror:
                    for state in ("cold", "warm"):
                        seconds = pull(programs, tmp_path, mirror.host, path)
                        ratios.setdefault(f"{kind} {state}", []).append(seconds / direct)
    for name, found in ratios.items():
        print(f"{sum(sizes)} MiB, {name}: {statistics.median(found):.2f} x a direct pull")  # noqa: T201 - the figures are the purpose


def test_first_bytes_of_cold_images(tmp_path: Path) -> None:
    """The first image is fetched by servers that have just begun."""
    require("docker-registry", "skopeo")
    programs = Programs(tmp_path / "programs")
    paths = [f"team/app-{number}" for number in range(IMAGES)]
    waits: dict[str, list[float]] = {}
    with Distribution(programs, tmp_path / "far") as far:
        for path in paths:
            pushed(programs, tmp_path, far.host, path, 4 * MIB)
        with (
            Mirror(tmp_path / "near", "-q", "--upstream", f"docker.io=http://{far.host}") as mirror,
            Distribution(programs, tmp_path / "proxy", far.host) as proxy,
        ):
            places = {"directly": far.host, "storectl": mirror.host, "distribution": proxy.host}
            for path in paths:
                for name, host in places.items():
                    waits.setdefault(name, []).extend(first_bytes(host, path))
    for name, found in waits.items():
        more = [one - direct for one, direct in zip(found, waits["directly"], strict=True)]
        for what, start in (("manifest", 0), ("config", 1), ("layer", 2)):
            middle, first = statistics.median(more[start::3]), more[start]
            print(f"{name}: {what} +{middle * 1e3:.0f} ms, the first one +{first * 1e3:.0f} ms")  # noqa: T201 - the figures are the purpose


def first_bytes(host: str, path: str) -> Iterator[float]:
    """Yield the seconds until the first byte of the manifest, and then of each blob."""
    connection = http.client.HTTPConnection(host)
    manifest, wait = timed(connection, f"/v2/{path}/manifests/1")
    yield wait
    document = json.loads(manifest)
    for link in (document["config"], *document["layers"]):
        data, wait = timed(connection, f"/v2/{path}/blobs/{link['digest']}")
        assert str(Digest.of(data)) == link["digest"]
        yield wait
    connection.close()


def timed(connection: http.client.HTTPConnection, target: str) -> tuple[bytes, float]:
    """Return the body of an answer, and the seconds until its first byte."""
    begin = time.perf_counter()
    connection.request("GET", target, headers=ACCEPT)
    with connection.getresponse() as answer:
        assert answer.status == http.client.OK
        first = answer.read(1)
        wait = time.perf_counter() - begin
        return first + answer.read(), wait


def test_many_clients_of_a_cold_image_cost_one_request_for_each_blob(tmp_path: Path) -> None:
    require("docker-registry", "skopeo")
    programs, path = Programs(tmp_path / "programs"), "team/app"
    with Distribution(programs, tmp_path / "far") as far:
        pushed(programs, tmp_path, far.host, path, 20 * MIB, 10 * MIB)
        before = far.blob_reads(path)
        with Mirror(
            tmp_path / "near", "-q", "--upstream", f"docker.io=http://{far.host}"
        ) as mirror:
            begin = time.perf_counter()
            asyncio.run(_all_clients(mirror.host, path))
            seconds = time.perf_counter() - begin
        assert far.blob_reads(path) - before == 3
    print(f"{CLIENTS} clients of a cold image of 30 MiB: {seconds:.1f} s")  # noqa: T201 - the figures are the purpose


async def _all_clients(host: str, path: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(
            *(_client(session, f"http://{host}/v2/{path}") for _ in range(CLIENTS))
        )


async def _client(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/manifests/1", headers=ACCEPT) as answer:
        assert answer.status == http.client.OK
        document = json.loads(await answer.read())
    for link in (document["config"], *document["layers"]):
        async with session.get(f"{url}/blobs/{link['digest']}") as answer:
            assert answer.status == http.client.OK
            assert str(Digest.of(await answer.read())) == link["digest"]
