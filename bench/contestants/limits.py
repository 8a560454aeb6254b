"""Limits: contestants that do one part of the work at the lowest cost possible on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import workshop
from bench.contestants.command import Command
from bench.model import Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.workshop import Workshop

COPY = "cp + sync"
HASH = "sha256"
HASH_STORED = "sha256 of what is stored"
INFLATE = "isal inflate"
ENCODE = "zstd -T0"
DECODE = "zstd -d"


def copying(shop: Workshop, source: Path, name: str = COPY) -> Command:
    """Return the contestant that copies a file and syncs the copy."""
    script = 'cp --reflink=never "$1" "$2" && sync "$2"'
    return Command(
        name,
        shop,
        lambda folder: ["bash", "-c", script, "bash", str(source), str(folder / "out")],
        inputs=[source],
    )


def encoding(shop: Workshop, source: Path, level: int, name: str = ENCODE) -> Command:
    """Return the contestant that compresses a file with zstd on all cores.

    ``disk_bytes`` is the compressed size.
    """
    return Command(
        name,
        shop,
        lambda folder: ["zstd", "-q", "-T0", f"-{level}", "-o", str(folder / "out"), str(source)],
        inputs=[source],
    )


def decoding(shop: Workshop, files: Callable[[], list[Path]], name: str = DECODE) -> Command:
    """Return the contestant that decodes files with zstd one by one, and discards the output."""
    return Command(
        name, shop, lambda _folder: ["zstd", "-q", "-d", "-c", *map(str, files())], inputs=files()
    )


@dataclass(slots=True)
class Bare:
    """A contestant that does one part of the work on files; the process start is not counted.

    Attributes:
        name: The contestant's name in the results.
        work: The part, a key of `bench.measuring.work.WORK`.
        files: Returns the files, which are processed one by one.
    """

    name: str
    work: str
    files: Callable[[], list[Path]]

    def prepare(self) -> None:
        """Read the files into the page cache."""
        for path in self.files():
            workshop.warm(path)
        workshop.sync()

    def run(self) -> Sample:
        """Do the work on each file, and return the sum of the costs."""
        wall = cpu = 0.0
        for path in self.files():
            command = [sys.executable, "-m", "bench.measuring.work", self.work, str(path)]
            told = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout
            )
            wall, cpu = wall + told["wall_s"], cpu + told["cpu_s"]
        return Sample(wall, cpu)

    def clean(self) -> None:
        """Do nothing: the work writes nothing."""
