"""Benchmark cases that measure a store's size on disk, and the cost of ``fsck`` and ``gc``."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.cases.imports import MEMORY, OURS
from bench.contestants import limits, ours
from bench.contestants.command import Command
from bench.corpora.inputs import Inputs
from bench.derived import LEVEL, cpu, net
from bench.model import CORES, Case, Sample, Target
from bench.workshop import storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.model import Contestant, Round
    from bench.workshop import Workshop

ZSTD: Final = f"zstd -{LEVEL}, each layer by itself"
GZIP: Final = "gzip blobs, as a registry keeps them"


@dataclass(slots=True)
class Layers:
    """A contestant that compresses every layer of some archives to measure the total size."""

    name: str
    command: Sequence[str]
    archives: Sequence[Path]

    def prepare(self) -> None:
        """Do nothing: no time is measured."""

    def run(self) -> Sample:
        """Compress each layer, and return the total size as ``disk_bytes``."""
        total = 0
        for archive in self.archives:
            with tarfile.open(archive) as tar:
                for member in tar:
                    if member.isfile() and member.name.endswith("layer.tar"):
                        total += self._size(archive, member)
        return Sample(0.0, 0.0, disk_bytes=total)

    def _size(self, archive: Path, member: tarfile.TarInfo) -> int:
        script = 'tail -c +"$1" "$2" | head -c "$3" | "${@:4}" | wc -c'
        arguments = [str(member.offset_data + 1), str(archive), str(member.size), *self.command]
        return int(
            subprocess.run(
                ["bash", "-c", script, "bash", *arguments],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )

    def clean(self) -> None:
        """Do nothing: the run leaves nothing behind."""


@dataclass(slots=True)
class Blobs:
    """A contestant that measures the total size of the blobs in a store, and does no other work."""

    name: str
    root: Callable[[], Path]

    def prepare(self) -> None:
        """Do nothing: the store already exists."""

    def run(self) -> Sample:
        """Return the total size of the store's blobs as ``disk_bytes``."""
        return Sample(
            0.0,
            0.0,
            disk_bytes=sum(
                path.stat().st_size for path in (self.root() / "blobs").rglob("*") if path.is_file()
            ),
        )

    def clean(self) -> None:
        """Do nothing: the run leaves nothing behind."""


def _sizes(make: Callable[[Inputs], Sequence[Path]], shop: Workshop) -> Sequence[Contestant]:
    archives = make(Inputs(shop))
    root = ours.new_store(shop, archives)
    return [
        Blobs(OURS, lambda: root),
        Layers(ZSTD, ["zstd", "-q", f"-{LEVEL}", "-c"], archives),
        Layers(GZIP, ["gzip", "-6", "-c"], archives),
    ]


def _all(inputs: Inputs) -> Sequence[Path]:
    return [inputs.real(), inputs.many_layers(), inputs.family()]


def _disk(one: Round, name: str) -> float:
    return one[OURS].disk_bytes / one[name].disk_bytes


def _checking(shop: Workshop) -> Sequence[Contestant]:
    inputs = Inputs(shop)
    archive = inputs.real()
    root = ours.new_store(shop, [archive])
    blobs = [path for path in sorted((root / "blobs").rglob("*")) if path.is_file()]
    return [
        Command(
            OURS, shop, lambda _folder: [storectl(), "--root", str(root), "fsck"], inputs=[root]
        ),
        ours.starting(shop),
        limits.Bare(limits.HASH_STORED, "sha256", lambda: blobs),
        limits.decoding(shop, lambda: blobs),
        limits.Bare(limits.HASH, "sha256", lambda: [archive]),
    ]


def _checking_bound(one: Round) -> float:
    return (cpu(one, limits.HASH_STORED) + cpu(one, limits.DECODE) + cpu(one, limits.HASH)) / CORES


def _collecting(shop: Workshop) -> Sequence[Contestant]:
    archive = Inputs(shop).family()

    def fill(folder: Path) -> None:
        root = ["--root", str(folder / "out")]
        subprocess.run(
            [storectl(), *root, "import", "-q", str(archive)], check=True, stdout=subprocess.DEVNULL
        )
        names = subprocess.run(
            [storectl(), *root, "images", "-q"], check=True, capture_output=True, text=True
        ).stdout.split()
        subprocess.run(
            [storectl(), *root, "rm", *names[::2]], check=True, stdout=subprocess.DEVNULL
        )

    return [
        Command(
            OURS, shop, lambda folder: [storectl(), "--root", str(folder / "out"), "gc"], setup=fill
        ),
        ours.starting(shop),
    ]


CASES: Final = (
    Case(
        "disk-real",
        "what a real image takes on disk",
        partial(_sizes, lambda inputs: [inputs.real()]),
        (
            Target(
                f"≤ 1.02 x the same layers with zstd -{LEVEL}", lambda one: _disk(one, ZSTD), 1.02
            ),
            Target("below the gzip blobs a registry keeps", lambda one: _disk(one, GZIP), 1),
        ),
        rounds=1,
        quick=False,
    ),
    Case(
        "disk",
        "what a corpus takes on disk: a real image, 125 small layers, 200 images on one base",
        partial(_sizes, _all),
        (
            Target(
                f"≤ 1.02 x the same layers with zstd -{LEVEL}", lambda one: _disk(one, ZSTD), 1.02
            ),
            Target("below the gzip blobs a registry keeps", lambda one: _disk(one, GZIP), 1),
        ),
        rounds=1,
    ),
    Case(
        "fsck",
        "check every byte of a real image",
        _checking,
        (
            Target(
                "≤ 1.4 x (hash + decode + hash) CPU / cores (none was asked)",
                lambda one: net(one, OURS) / _checking_bound(one),
                1.4,
            ),
            MEMORY,
        ),
        lambda shop: Inputs(shop).real().stat().st_size,
        rounds=3,
    ),
    Case("gc", "collect half of 200 images on one base", _collecting, (MEMORY,), rounds=3),
)
