"""Benchmark cases that import archives with storectl and with other programs."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.contestants import limits, ours, peers
from bench.contestants.command import Command
from bench.corpora.inputs import Inputs
from bench.derived import LEVEL, beyond_start_s, cpu, net, times_faster, wall
from bench.model import CORES, Case, Target
from bench.workshop import storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.model import Contestant, Round
    from bench.workshop import Workshop

OURS: Final = "storectl"

MEMORY: Final = Target(
    "≤ 150 MiB of memory", lambda one: one[OURS].peak_bytes / 2**20, 150, unit="MiB"
)
TEMPORARY: Final = Target(
    "no temporary disk beyond output and store",
    lambda one: one[OURS].temporary_bytes / 2**20,
    1,
    unit="MiB",
)
"""The limit of 1 MiB leaves room for the database's write-ahead log, which is truncated at the end.
"""


def _raw(shop: Workshop) -> Sequence[Contestant]:
    archive = Inputs(shop).real()
    encoded = shop.cached(f"{archive.stem}.zst{LEVEL}", partial(_zstd, archive))
    return [
        ours.importing(shop, archive),
        ours.importing_pipe(shop, archive),
        ours.starting(shop),
        peers.DockerLoad(shop, archive),
        peers.DockerLoad(shop, archive, newest=True),
        *(
            peers.skopeo_import(shop, "docker-archive", archive, codec, newest=newest)
            for newest in (True, False)
            for codec in ("gzip", "zstd")
        ),
        peers.podman_load(shop, archive),
        limits.Bare(limits.HASH, "sha256", lambda: [archive]),
        limits.encoding(shop, archive, LEVEL),
        limits.Bare(limits.HASH_STORED, "sha256", lambda: [encoded]),
        limits.copying(shop, archive),
    ]


def _zstd(source: Path, target: Path) -> None:
    subprocess.run(["zstd", "-q", "-T0", f"-{LEVEL}", "-o", str(target), str(source)], check=True)


def _raw_bound(one: Round) -> float:
    return (cpu(one, limits.HASH) + cpu(one, limits.ENCODE) + cpu(one, limits.HASH_STORED)) / CORES


def _plain(shop: Workshop) -> Sequence[Contestant]:
    archive = Inputs(shop).real()
    return [
        ours.importing(shop, archive, "--compression", "none"),
        ours.starting(shop),
        limits.Bare(limits.HASH, "sha256", lambda: [archive]),
        limits.copying(shop, archive),
    ]


def _outer_gzip(shop: Workshop) -> Sequence[Contestant]:
    archive = Inputs(shop).real_outer_gzip()
    return [
        ours.importing(shop, archive),
        ours.starting(shop),
        peers.DockerLoad(shop, archive),
        peers.skopeo_import(shop, "docker-archive", archive, "zstd", newest=True),
        limits.Bare(limits.INFLATE, "inflate", lambda: [archive]),
    ]


def _layout(shop: Workshop, codec: str) -> Sequence[Contestant]:
    inputs = Inputs(shop)
    plain = inputs.real()
    archive = inputs.real_oci(codec)
    blobs = inputs.oci_blobs(codec)
    decode: Contestant = (
        limits.Bare(limits.INFLATE, "inflate", lambda: blobs)
        if codec == "gzip"
        else limits.decoding(shop, lambda: blobs)
    )
    return [
        ours.importing(shop, archive),
        ours.importing_pipe(shop, archive),
        ours.starting(shop),
        *(
            peers.skopeo_import(shop, "oci-archive", archive, codec, newest=newest)
            for newest in (True, False)
        ),
        *(peers.skopeo_decode(shop, archive, newest=newest) for newest in (True, False)),
        limits.Bare(limits.HASH_STORED, "sha256", lambda: blobs),
        decode,
        limits.Bare(limits.HASH, "sha256", lambda: [plain]),
    ]


def _layout_bound(decode: str, one: Round) -> float:
    return (cpu(one, limits.HASH_STORED) + cpu(one, decode) + cpu(one, limits.HASH)) / CORES


def _layout_targets(codec: str, decode: str) -> tuple[Target, ...]:
    return (
        Target(
            "≥ 3x faster than the newest skopeo, layers decoded and hashed",
            partial(times_faster, OURS, peers.NEWEST_DECODING),
            3,
            at_least=True,
        ),
        Target(
            "the same for Debian's skopeo, layers decoded and hashed",
            partial(times_faster, OURS, peers.DECODING),
            3,
            at_least=True,
        ),
        Target(
            "the same for the newest skopeo, which copies them unopened",
            partial(times_faster, OURS, f"{peers.NEWEST_SKOPEO}, {codec}"),
            3,
            at_least=True,
        ),
        Target(
            "the same for Debian's skopeo, which copies them unopened",
            partial(times_faster, OURS, f"{peers.SKOPEO}, {codec}"),
            3,
            at_least=True,
        ),
        Target(
            f"≤ 1.4 x (hash + {decode} + hash) CPU / cores",
            lambda one: net(one, OURS) / _layout_bound(decode, one),
            1.4,
        ),
        MEMORY,
        TEMPORARY,
    )


def _again(shop: Workshop) -> Sequence[Contestant]:
    archive = Inputs(shop).real()
    root = ours.new_store(shop, [archive])
    return [
        Command(
            OURS,
            shop,
            lambda _folder: [storectl(), "--root", str(root), "import", "-q", str(archive)],
            inputs=[archive],
        ),
        ours.starting(shop),
        peers.DockerLoad(shop, archive, again=True),
    ]


def _one(make: Callable[[Inputs], Path], shop: Workshop) -> Sequence[Contestant]:
    archive = make(Inputs(shop))
    return [
        ours.importing(shop, archive),
        ours.importing_pipe(shop, archive),
        ours.starting(shop),
        peers.DockerLoad(shop, archive),
        limits.Bare(limits.HASH, "sha256", lambda: [archive]),
        limits.encoding(shop, archive, LEVEL),
        limits.copying(shop, archive),
    ]


def _sized(make: Callable[[Inputs], Path]) -> Callable[[Workshop], int]:
    return lambda shop: make(Inputs(shop)).stat().st_size


def _generated(
    name: str, title: str, make: Callable[[Inputs], Path], *, rounds: int = 3, quick: bool = False
) -> Case:
    return Case(
        name,
        title,
        partial(_one, make),
        (MEMORY, TEMPORARY),
        _sized(make),
        rounds=rounds,
        quick=quick,
    )


CASES: Final = (
    Case(
        "import-raw",
        "import a docker archive, default compression",
        _raw,
        (
            Target(
                "≥ 3x faster than docker load",
                partial(times_faster, OURS, peers.DOCKER),
                3,
                at_least=True,
            ),
            Target(
                "≥ 2.5x faster than the newest skopeo as it is used: gzip",
                partial(times_faster, OURS, f"{peers.NEWEST_SKOPEO}, gzip"),
                2.5,
                at_least=True,
            ),
            Target(
                "the same at its fastest: zstd, level 1",
                partial(times_faster, OURS, f"{peers.NEWEST_SKOPEO}, zstd"),
                2.5,
                at_least=True,
            ),
            Target(
                "the same for Debian's skopeo: gzip",
                partial(times_faster, OURS, f"{peers.SKOPEO}, gzip"),
                2.5,
                at_least=True,
            ),
            Target(
                "the same for Debian's skopeo: zstd, level 1",
                partial(times_faster, OURS, f"{peers.SKOPEO}, zstd"),
                2.5,
                at_least=True,
            ),
            Target(
                "≤ 1.3 x (hash in + encode + hash out) CPU / cores",
                lambda one: net(one, OURS) / _raw_bound(one),
                1.3,
            ),
            MEMORY,
            TEMPORARY,
        ),
        _sized(Inputs.real),
    ),
    Case(
        "import-none",
        "import a docker archive, --compression none",
        _plain,
        (
            Target(
                "≤ 1.5 x max(sha256, cp + sync)",
                lambda one: net(one, OURS) / max(wall(one, limits.HASH), wall(one, limits.COPY)),
                1.5,
            ),
            MEMORY,
            TEMPORARY,
        ),
        _sized(Inputs.real),
    ),
    Case(
        "import-gzip",
        "import a docker archive compressed by gzip",
        _outer_gzip,
        (MEMORY, TEMPORARY),
        _sized(Inputs.real),
        rounds=3,
        quick=False,
    ),
    Case(
        "import-oci-gzip",
        "import an OCI archive with gzip layers",
        partial(_layout, codec="gzip"),
        _layout_targets("gzip", limits.INFLATE),
        _sized(Inputs.real),
    ),
    Case(
        "import-oci-zstd",
        "import an OCI archive with zstd layers",
        partial(_layout, codec="zstd"),
        _layout_targets("zstd", limits.DECODE),
        _sized(Inputs.real),
    ),
    Case(
        "import-again",
        "import a docker archive that is there already",
        _again,
        (
            Target("≤ 0.1 s beyond process start", partial(beyond_start_s, OURS), 0.1, unit="s"),
            MEMORY,
        ),
    ),
    _generated("import-many", "import an image of 125 layers of 64 KiB", Inputs.many_layers),
    _generated("import-family", "import 200 images on one base", Inputs.family),
    _generated("import-noise", "import 512 MiB that nothing compresses", Inputs.noise),
    _generated("import-huge", "import one layer of 4 GiB", Inputs.huge_layer, rounds=2, quick=True),
)
