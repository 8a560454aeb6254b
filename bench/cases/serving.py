"""Cases that compare the mirror with other registries, and with nginx serving the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tarfile
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.contestants.pulls import DockerPull, FolderPull, crane, skopeo
from bench.contestants.pushes import (
    MEASURED,
    WARMING,
    ImagePush,
    Source,
    by_crane,
    by_docker,
    by_skopeo,
)
from bench.contestants.requests import BlobPush, ListPages, Requests, RequestsUnderLoad
from bench.contestants.servers import (
    MANIFEST,
    NEWEST_REGISTRY,
    NGINX,
    OLAREG,
    OURS,
    REGISTRY,
    REPOSITORY,
    ZOT,
    Served,
    digest_of,
)
from bench.corpora.generated import MIB, ImageSpec, LayerSpec, write_archive
from bench.corpora.tags import write_store
from bench.derived import cpu, wall
from bench.model import Case, Target
from bench.workshop import storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.contestants.servers import Running
    from bench.model import Contestant, Round
    from bench.workshop import Workshop

REGISTRIES: Final = (REGISTRY, NEWEST_REGISTRY, OLAREG, ZOT)
TRANSFERS: Final = 32
REQUESTS: Final = 4000
AT_ONCE: Final = 16
ARCHIVED: Final = "bench/archived"
LAYERS: Final = 6


def _noise(shop: Workshop, size_mib: int, seed: int = 0) -> Path:
    """Return a file of random bytes, which is as incompressible as a compressed layer."""

    def make(path: Path) -> None:
        chance = random.Random(seed)
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(chance.randbytes(MIB))

    return shop.cached(f"blob-{size_mib}-{seed}", make)


def _blob(shop: Workshop) -> Path:
    return _noise(shop, 16 if shop.quick else 128)


def _large(shop: Workshop) -> Path:
    return _noise(shop, 64 if shop.quick else 1024)


def _archive(shop: Workshop) -> Path:
    size = (16 if shop.quick else 128) * MIB
    name = f"archived-{size // MIB}.tar"
    return shop.cached(
        name, lambda path: write_archive(path, [ImageSpec(f"{ARCHIVED}:1", (LayerSpec(7, size),))])
    )


# --- content of the servers -----------------------------------------------------------------------


def _feed_blob(shop: Workshop, running: Running) -> tuple[str, int]:
    blob = _blob(shop)
    if (running.folder / "files").exists():
        shutil.copyfile(blob, running.folder / "files" / "blob")
        return "/blob", blob.stat().st_size
    running.push_blob(blob, digest_of(blob))
    return f"/v2/{REPOSITORY}/blobs/{digest_of(blob)}", blob.stat().st_size


def _feed_manifest(shop: Workshop, running: Running) -> tuple[str, int]:
    layers = [_noise(shop, 1, seed) for seed in range(1, 1 + LAYERS)]
    if (running.folder / "files").exists():
        file = running.folder / "files" / "manifest"
        file.write_bytes(os.urandom(1100))
        return "/manifest", 1100
    return f"/v2/{REPOSITORY}/manifests/1", len(running.push_image(layers))


def _layer(shop: Workshop, size_mib: int, seed: int) -> Path:
    """Return an uncompressed layer.

    If the layer were compressed, the client would have to decode it, at the same cost for every
    server.
    """
    source = _noise(shop, size_mib, seed)

    def make(path: Path) -> None:
        with tarfile.open(path, "w") as tar, source.open("rb") as file:
            member = tarfile.TarInfo(f"noise-{seed}")
            member.size = source.stat().st_size
            tar.addfile(member, file)

    return shop.cached(f"{source.name}.tar", make)


def _feed_image(shop: Workshop, running: Running) -> tuple[str, int]:
    running.push_image(_large_layers(shop))
    return f"{REPOSITORY}:1", 0


def _feed_archive(shop: Workshop, running: Running) -> tuple[str, int]:
    subprocess.run(
        [storectl(), "--root", str(running.folder / "store"), "import", "-q", str(_archive(shop))],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return _archived(running, "layer")


def _archived(running: Running, wanted: str) -> tuple[str, int]:
    import http.client  # noqa: PLC0415 - one exchange
    import json  # noqa: PLC0415

    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    connection.request("GET", f"/v2/{ARCHIVED}/manifests/1", headers={"Accept": MANIFEST})
    data = connection.getresponse().read()
    connection.close()
    if wanted == "manifest":
        return f"/v2/{ARCHIVED}/manifests/1", len(data)
    (layer,) = json.loads(data)["layers"]
    return f"/v2/{ARCHIVED}/blobs/{layer['digest']}", layer["size"]


# --- cases ----------------------------------------------------------------------------------------


def _asked(
    feed: Callable[[Workshop, Running], tuple[str, int]],
    names: Sequence[str],
    clients: int,
    times: int,
    shop: Workshop,
) -> Sequence[Contestant]:
    return [Requests(Served(name, shop, partial(feed, shop)), clients, times) for name in names]


def _best(one: Round, figure: Callable[[Round, str], float]) -> float:
    """Return the lowest figure among the registries that storectl is compared with."""
    return min(figure(one, name) for name in REGISTRIES if name in one)


def _beside(registry: str, one: Round) -> float:
    return wall(one, registry) / wall(one, OURS)


def _blobs(clients: int) -> Case:
    return Case(
        f"serve-blob-{clients}",
        f"a stored blob over HTTP, {clients} at once",
        partial(_asked, _feed_blob, (OURS, NGINX, *REGISTRIES), clients, TRANSFERS // clients),
        (
            Target(
                "≥ 0.9 x nginx", lambda one: wall(one, NGINX) / wall(one, OURS), 0.9, at_least=True
            ),
            Target("≤ 1.1 x the CPU of nginx", lambda one: cpu(one, OURS) / cpu(one, NGINX), 1.1),
            Target(
                "faster than every registry",
                lambda one: _best(one, wall) / wall(one, OURS),
                1,
                at_least=True,
            ),
        ),
        lambda shop: TRANSFERS * _blob(shop).stat().st_size,
        rounds=5,
    )


def _decoded(clients: int) -> Case:
    return Case(
        f"serve-decoded-{clients}",
        f"a layer of a docker archive over HTTP, decoded on the way, {clients} at once",
        partial(_asked, _feed_archive, (OURS,), clients, max(1, 8 // clients)),
        (Target("≤ 200 MiB of memory", lambda one: one[OURS].peak_bytes / MIB, 200, unit="MiB"),),
        lambda shop: max(8, clients) * _archive(shop).stat().st_size,
        rounds=3,
    )


def _starving(shop: Workshop) -> Sequence[Contestant]:
    busy = Served(OURS, shop, partial(_feed_archive, shop))
    return [
        RequestsUnderLoad(
            OURS, busy, Served(OURS, shop, lambda running: _archived(running, "manifest")), 32, 20
        )
    ]


def _named(shop: Workshop) -> Path:
    repositories = 200 if shop.quick else 10_000
    return shop.cached(
        f"names-{repositories}",
        lambda path: write_store(path, shop.folder(), repositories=repositories, tags=100),
    )


def _lists(shop: Workshop) -> Sequence[Contestant]:
    return [ListPages(OURS, shop, partial(_named, shop))]


def _pulls(how: Callable[[Served], Contestant], shop: Workshop) -> Sequence[Contestant]:
    return [how(Served(name, shop, partial(_feed_image, shop))) for name in (OURS, *REGISTRIES)]


def _pull(name: str, client: str, how: Callable[[Served], Contestant], rounds: int = 3) -> Case:
    return Case(
        name,
        f"pull an image of 384 MiB in 6 layers with {client}",
        partial(_pulls, how),
        tuple(
            Target(f"no slower than from {registry}", partial(_beside, registry), 1, at_least=True)
            for registry in REGISTRIES
        ),
        lambda shop: LAYERS * (4 if shop.quick else 64) * MIB,
        rounds=rounds,
    )


def _blob_pushes(shop: Workshop) -> Sequence[Contestant]:
    return [BlobPush(name, shop, partial(_large, shop)) for name in (OURS, *REGISTRIES)]


def _feed_two(
    shop: Workshop, layers: Callable[[Workshop], Sequence[Path]], running: Running
) -> tuple[str, int]:
    running.push_image([_layer(shop, 1, seed) for seed in range(21, 21 + LAYERS)], WARMING)
    running.push_image(layers(shop), MEASURED)
    return REPOSITORY, 0


def _large_layers(shop: Workshop) -> Sequence[Path]:
    return [_layer(shop, 4 if shop.quick else 64, seed) for seed in range(11, 11 + LAYERS)]


def _small_layers(shop: Workshop) -> Sequence[Path]:
    return [_layer(shop, 1, seed) for seed in range(1, 1 + LAYERS)]


def _pushes(
    how: Callable[[Source, str, str], Sequence[str]],
    layers: Callable[[Workshop], Sequence[Path]],
    shop: Workshop,
) -> Sequence[Contestant]:
    source = Source(Served(OURS, shop, partial(_feed_two, shop, layers)))
    return [ImagePush(how, name, source) for name in (OURS, *REGISTRIES)]


def _push(
    name: str, client: str, how: Callable[[Source, str, str], Sequence[str]], *, small: bool = False
) -> Case:
    return Case(
        name,
        f"push an image of {6 if small else 384} MiB in 6 layers with {client}",
        partial(_pushes, how, _small_layers if small else _large_layers),
        tuple(
            Target(f"beside {registry}", partial(_beside, registry), 0, at_least=True)
            for registry in REGISTRIES
        ),
        lambda shop: LAYERS * (1 if small else 4 if shop.quick else 64) * MIB,
        rounds=5 if small else 3,
    )


CASES: Final = (
    *(_blobs(clients) for clients in (1, 4, 32)),
    *(_decoded(clients) for clients in (1, 32)),
    Case(
        "serve-beside",
        "manifests while 32 clients have a layer decoded",
        _starving,
        (
            Target(
                "no manifest waits longer than half a second",
                lambda one: one[OURS].extra["slowest_manifest_s"],
                0.5,
                unit="s",
            ),
            Target("≤ 200 MiB of memory", lambda one: one[OURS].peak_bytes / MIB, 200, unit="MiB"),
        ),
        rounds=3,
    ),
    Case(
        "serve-manifest",
        f"a manifest over HTTP, {REQUESTS} times, {AT_ONCE} at once",
        partial(_asked, _feed_manifest, (OURS, NGINX, *REGISTRIES), AT_ONCE, REQUESTS // AT_ONCE),
        (
            Target(
                "≥ 5 x docker-registry in requests per CPU second",
                lambda one: cpu(one, REGISTRY) / cpu(one, OURS),
                5,
                at_least=True,
            ),
            Target(
                "the best registry's CPU beside ours",
                lambda one: _best(one, cpu) / cpu(one, OURS),
                0,
                at_least=True,
            ),
        ),
    ),
    Case(
        "serve-lists",
        "the catalog of 10,000 repositories with 100 tags each, page by page, and the tags of 100"
        " of them",
        _lists,
        (
            Target(
                "≤ 8 MiB of memory beyond that of the first page",
                lambda one: (one[OURS].peak_bytes - one[OURS].extra["first_bytes"]) / MIB,
                8,
                unit="MiB",
            ),
            Target("≤ 200 MiB of memory", lambda one: one[OURS].peak_bytes / MIB, 200, unit="MiB"),
        ),
        rounds=2,
    ),
    Case(
        "serve-push",
        "push a blob of 1 GiB",
        _blob_pushes,
        (
            Target(
                "≥ 2 x docker-registry",
                lambda one: wall(one, REGISTRY) / wall(one, OURS),
                2,
                at_least=True,
            ),
        ),
        lambda shop: _large(shop).stat().st_size,
        rounds=3,
    ),
    # The client takes most of the time, and its time varies by a tenth, so more rounds are needed.
    _pull("serve-pull", "skopeo", partial(FolderPull, skopeo), rounds=9),
    _pull("serve-pull-crane", "crane", partial(FolderPull, crane)),
    _pull("serve-pull-docker", "Docker", DockerPull),
    _push("serve-push-skopeo", "skopeo", by_skopeo),
    _push("serve-push-crane", "crane", by_crane),
    _push("serve-push-docker", "Docker", by_docker),
    _push("serve-push-small", "crane", by_crane, small=True),
)
