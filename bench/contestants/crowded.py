"""Contestants that run storectl on a store with a million names."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from bench import workshop
from bench.contestants.command import Command
from bench.contestants.ours import empty_store
from bench.corpora.catalogue import MILLION, SMALL
from bench.corpora.generated import KIB, ImageSpec, LayerSpec, write_archive
from bench.corpora.inputs import Inputs
from bench.model import Sample
from bench.workshop import storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.workshop import Workshop

_seeds = count(100_000)


def crowd(shop: Workshop) -> Path:
    """Return a copy of the crowded store; the caller may change the copy."""
    source, root = Inputs(shop).crowd(), shop.folder() / "store"
    subprocess.run(["cp", "-r", str(source), str(root), "--reflink=auto"], check=True)
    return root


def names(shop: Workshop) -> list[str]:
    """Return twelve of the crowded store's image names, picked at regular intervals."""
    scale = SMALL if shop.quick else MILLION
    return [scale.tag(index) for index in range(7, scale.images, scale.images // 11)]


def command(name: str, shop: Workshop, root: Path, *arguments: str) -> Command:
    """Return the contestant that runs storectl on a store whose database is in the page cache."""
    return Command(
        name,
        shop,
        lambda _folder: [storectl(), "--root", str(root), *arguments],
        inputs=[root / "store.db"],
    )


def importing_new(name: str, shop: Workshop, root: Path | None) -> Command:
    """Return the contestant that imports a new image of 64 KiB in each round.

    Args:
        name: The contestant's name in the results.
        shop: Creates the folders.
        root: The store to import into; None for a new, empty store in each round.
    """

    def setup(folder: Path) -> None:
        seed = next(_seeds)
        write_archive(
            folder / "new.tar", [ImageSpec(f"bench/new:{seed}", (LayerSpec(seed, 64 * KIB),))]
        )
        if root is None:
            empty_store(folder / "store")

    def argv(folder: Path) -> Sequence[str]:
        return [
            storectl(),
            "--root",
            str(root or folder / "store"),
            "import",
            "-q",
            str(folder / "new.tar"),
        ]

    return Command(
        name, shop, argv, inputs=[] if root is None else [root / "store.db"], setup=setup
    )


@dataclass(slots=True)
class Question:
    """A contestant that asks a store one of the questions in `bench.reporting.questions`.

    Attributes:
        name: The contestant's name in the results.
        question: The question, a key of `bench.reporting.questions.QUESTIONS`.
        root: The root of the store.
        about: Returns the names to ask about.
    """

    name: str
    question: str
    root: Path
    about: Callable[[], Sequence[str]]

    def prepare(self) -> None:
        """Read the database into the page cache."""
        workshop.warm(self.root / "store.db")
        workshop.sync()

    def run(self) -> Sample:
        """Ask the question in a new process, and return the median cost of one answer."""
        command = [
            sys.executable,
            "-m",
            "bench.reporting.questions",
            self.question,
            str(self.root),
            *self.about(),
        ]
        told = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )
        return Sample(told["wall_s"], told["cpu_s"], told["peak_bytes"])

    def clean(self) -> None:
        """Do nothing: a question changes nothing."""
