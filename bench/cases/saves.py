"""Benchmark cases that save archives with storectl and with other programs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from bench.cases.imports import MEMORY, OURS, TEMPORARY
from bench.contestants import limits, ours, peers
from bench.contestants.command import Command
from bench.corpora.inputs import Inputs
from bench.derived import cpu, net, times_faster, wall
from bench.model import CORES, Case, Target
from bench.workshop import storectl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.model import Contestant, Round
    from bench.workshop import Workshop

OURS_TO_PIPE: Final = "storectl save, to a pipe"
OURS_FROM_PIPE: Final = "storectl import, from a pipe"


def _legacy(shop: Workshop) -> Sequence[Contestant]:
    inputs = Inputs(shop)
    archive = inputs.real()
    root = ours.new_store(shop, [archive])
    layout = inputs.real_layout("gzip")
    return [
        ours.saving(shop, root, inputs.image),
        _to_pipe(shop, root, inputs.image),
        ours.starting(shop),
        peers.DockerSave(shop, archive, inputs.image),
        peers.DockerSave(shop, archive, inputs.image, newest=True),
        *(peers.skopeo_save(shop, layout, inputs.image, newest=newest) for newest in (True, False)),
        peers.PodmanSave(shop, archive, inputs.image),
        limits.Bare(limits.HASH_STORED, "sha256", lambda: _blobs(root)),
        limits.decoding(shop, lambda: _blobs(root)),
        limits.copying(shop, archive),
    ]


def _legacy_bound(one: Round) -> float:
    return max(
        (cpu(one, limits.HASH_STORED) + cpu(one, limits.DECODE)) / CORES, wall(one, limits.COPY)
    )


def _from_plain(shop: Workshop) -> Sequence[Contestant]:
    inputs = Inputs(shop)
    archive = inputs.real()
    root = ours.new_store(shop, [archive], "--compression", "none")
    return [
        ours.saving(shop, root, inputs.image),
        _to_pipe(shop, root, inputs.image),
        ours.starting(shop),
        limits.Bare(limits.HASH, "sha256", lambda: [archive]),
        limits.copying(shop, archive),
    ]


def _as_stored(shop: Workshop) -> Sequence[Contestant]:
    inputs = Inputs(shop)
    root = ours.new_store(shop, [inputs.real_oci("gzip")])
    layout = inputs.real_layout("gzip")
    result = inputs.real_oci("gzip")
    return [
        ours.saving(shop, root, inputs.image, "--format", "oci"),
        ours.starting(shop),
        *(
            peers.skopeo_save(shop, layout, inputs.image, newest=newest, transport="oci-archive")
            for newest in (True, False)
        ),
        limits.Bare(limits.HASH, "sha256", lambda: [result]),
        limits.copying(shop, result),
    ]


def _docker(shop: Workshop) -> Sequence[Contestant]:
    inputs = Inputs(shop)
    archive = inputs.real()
    root = ours.new_store(shop, [archive])
    return [
        ours.saving(shop, root, inputs.image, "--format", "docker"),
        ours.starting(shop),
        limits.copying(shop, archive),
    ]


def _huge(shop: Workshop) -> Sequence[Contestant]:
    archive = Inputs(shop).huge_layer()
    root = ours.new_store(shop, [archive])
    return [
        ours.saving(shop, root, "bench/huge:1"),
        _to_pipe(shop, root, "bench/huge:1"),
        ours.starting(shop),
        limits.copying(shop, archive),
    ]


def _pipe(shop: Workshop) -> Sequence[Contestant]:
    inputs = Inputs(shop)
    archive = inputs.real()
    root = ours.new_store(shop, [archive])
    script = 'set -o pipefail; "$1" --root "$2" save -q "$4" | "$1" --root "$3" import -q -'
    return [
        Command(
            OURS,
            shop,
            lambda folder: [
                "bash",
                "-c",
                script,
                "bash",
                storectl(),
                str(root),
                str(folder / "out"),
                inputs.image,
            ],
            inputs=[root],
            setup=lambda folder: ours.empty_store(folder / "out"),
        ),
        _to_pipe(shop, root, inputs.image),
        ours.importing_pipe(shop, archive, name=OURS_FROM_PIPE),
        ours.starting(shop),
    ]


def _pipe_bound(one: Round) -> float:
    parts = (OURS_TO_PIPE, OURS_FROM_PIPE)
    return max(*(wall(one, part) for part in parts), sum(cpu(one, part) for part in parts) / CORES)


def _to_pipe(shop: Workshop, root: Path, image: str) -> Command:
    script = 'set -o pipefail; "$1" --root "$2" save -q "$3" | cat > /dev/null'
    return Command(
        OURS_TO_PIPE,
        shop,
        lambda _folder: ["bash", "-c", script, "bash", storectl(), str(root), image],
        inputs=[root],
    )


def _blobs(root: Path) -> list[Path]:
    return [path for path in sorted((root / "blobs").rglob("*")) if path.is_file()]


def _copy_or_hash(one: Round) -> float:
    return max(wall(one, limits.HASH), wall(one, limits.COPY))


CASES: Final = (
    Case(
        "save-legacy",
        "save as docker up to 24 does, from a zstd store",
        _legacy,
        (
            Target(
                "≥ 7x faster than docker save",
                partial(times_faster, OURS, peers.DOCKER),
                7,
                at_least=True,
            ),
            Target(
                "≤ 1.4 x max((hash of stored bytes + decode) CPU / cores, cp + sync)",
                lambda one: net(one, OURS) / _legacy_bound(one),
                1.4,
            ),
            MEMORY,
            TEMPORARY,
        ),
        lambda shop: Inputs(shop).real().stat().st_size,
    ),
    Case(
        "save-plain",
        "save from an uncompressed store",
        _from_plain,
        (
            Target(
                "≤ 1.3 x max(sha256, cp + sync)",
                lambda one: net(one, OURS) / _copy_or_hash(one),
                1.3,
            ),
            MEMORY,
            TEMPORARY,
        ),
        lambda shop: Inputs(shop).real().stat().st_size,
    ),
    Case(
        "save-oci",
        "save as an OCI archive, blobs as stored (gzip)",
        _as_stored,
        (
            Target(
                "≤ 1.3 x max(sha256, cp + sync) of the result",
                lambda one: net(one, OURS) / _copy_or_hash(one),
                1.3,
            ),
            MEMORY,
            TEMPORARY,
        ),
        lambda shop: Inputs(shop).real_oci("gzip").stat().st_size,
    ),
    Case(
        "save-docker",
        "save as docker since 25 does, from a zstd store",
        _docker,
        (MEMORY, TEMPORARY),
        lambda shop: Inputs(shop).real().stat().st_size,
        rounds=3,
    ),
    Case(
        "save-huge",
        "save one layer of 4 GiB",
        _huge,
        (MEMORY, TEMPORARY),
        lambda shop: Inputs(shop).huge_layer().stat().st_size,
        rounds=2,
    ),
    Case(
        "pipe",
        "save | import",
        _pipe,
        (
            Target(
                "≤ 1.2 x max(the slower of the two, the sum of both CPU / cores)",
                lambda one: wall(one, OURS) / _pipe_bound(one),
                1.2,
            ),
            MEMORY,
        ),
        lambda shop: Inputs(shop).real().stat().st_size,
    ),
)
