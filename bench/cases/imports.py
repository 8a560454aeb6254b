"""Archives in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from bench.contestants import limits, ours, peers
from bench.corpora.inputs import Inputs
from bench.derived import LEVEL, cpu, fastest, net, times_faster
from bench.model import CORES, Case, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.model import Contestant, Round
    from bench.workshop import Workshop

OURS: Final = "storectl"


def _raw(shop: Workshop) -> Sequence[Contestant]:
    archive = Inputs(shop).real()
    encoded = shop.cached(f"{'quick-' if shop.quick else ''}real.tar.zst{LEVEL}", partial(_zstd, archive))
    return [
        ours.importing(shop, archive),
        ours.importing_pipe(shop, archive),
        ours.starting(shop),
        peers.DockerLoad(shop, archive),
        *(peers.skopeo_import(shop, "docker-archive", archive, codec, newest=newest) for newest in (True, False) for codec in ("gzip", "zstd")),
        peers.podman_load(shop, archive),
        limits.Bare(limits.HASH, "sha256", lambda: [archive]),
        limits.encoding(shop, archive, LEVEL),
        limits.Bare(limits.HASH_STORED, "sha256", lambda: [encoded]),
        limits.copying(shop, archive),
    ]


def _zstd(source: Path, target: Path) -> None:
    import subprocess  # noqa: PLC0415

    subprocess.run(["zstd", "-q", "-T0", f"-{LEVEL}", "-o", str(target), str(source)], check=True)


def _raw_bound(one: Round) -> float:
    return (cpu(one, limits.HASH) + cpu(one, limits.ENCODE) + cpu(one, limits.HASH_STORED)) / CORES


CASES: Final = (
    Case(
        "import-raw",
        "import a docker archive, default compression",
        _raw,
        (
            Target("≥ 3x faster than docker load", partial(times_faster, OURS, peers.DOCKER), 3, at_least=True),
            Target("≥ 2.5x faster than the newest skopeo", lambda one: fastest(one, peers.NEWEST_SKOPEO) / net(one, OURS), 2.5, at_least=True),
            Target("≤ 1.3 x (hash in + encode + hash out) CPU / cores", lambda one: net(one, OURS) / _raw_bound(one), 1.3),
            Target("≤ 150 MiB of memory", lambda one: one[OURS].peak_bytes / 2**20, 150, unit="MiB"),
        ),
        lambda shop: Inputs(shop).real().stat().st_size,
    ),
)
