"""Contestants that run storectl."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from bench.contestants.command import Command
from bench.corpora.inputs import Inputs
from bench.workshop import storectl
from store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.workshop import Workshop

START = "process start"
"""The contestant whose time is subtracted from storectl's time if the work is short."""


def storectl_json(root: Path, *arguments: str) -> object:
    """Run a storectl command with ``--json``, and return the parsed output."""
    return json.loads(
        subprocess.run(
            [storectl(), "--root", str(root), *arguments, "--json"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )


def new_store(shop: Workshop, archives: Sequence[Path], *options: str) -> Path:
    """Import archives into a new store, and return its root."""
    root = shop.folder() / "store"
    subprocess.run(
        [storectl(), "--root", str(root), "import", "-q", *options, *map(str, archives)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return root


def empty_store(root: Path) -> None:
    """Create an empty store, so that the import does not have to create the store.

    The measurement is fair, because a running Docker Engine has created its store as well.
    """
    with Store.open(root, create=True):
        pass


def importing(shop: Workshop, archive: Path, *options: str, name: str = "storectl") -> Command:
    """Return the contestant that imports a file into an empty store."""

    def argv(folder: Path) -> Sequence[str]:
        return [storectl(), "--root", str(folder / "out"), "import", "-q", *options, str(archive)]

    return Command(
        name, shop, argv, inputs=[archive], setup=lambda folder: empty_store(folder / "out")
    )


def importing_pipe(
    shop: Workshop, archive: Path, *options: str, name: str = "storectl, from a pipe"
) -> Command:
    """Return the contestant that imports an archive from a pipe; ``cat`` writes to the pipe."""
    script = 'set -o pipefail; cat "$1" | "$2" --root "$3" import -q "${@:4}" -'

    def argv(folder: Path) -> Sequence[str]:
        return [
            "bash",
            "-c",
            script,
            "bash",
            str(archive),
            storectl(),
            str(folder / "out"),
            *options,
        ]

    return Command(
        name, shop, argv, inputs=[archive], setup=lambda folder: empty_store(folder / "out")
    )


def saving(
    shop: Workshop, root: Path, image: str, *options: str, name: str = "storectl"
) -> Command:
    """Return the contestant that saves an image to a file."""
    return Command(
        name,
        shop,
        lambda folder: [
            storectl(),
            "--root",
            str(root),
            "save",
            "-q",
            "-o",
            str(folder / "out"),
            *options,
            image,
        ],
        inputs=[root],
    )


def starting(shop: Workshop) -> Command:
    """Return the contestant that opens a store and does nothing else.

    The contestant runs ``storectl db current``, which does not import Alembic.
    """
    root = new_store(shop, [Inputs(shop).tiny()])
    return Command(START, shop, lambda _folder: [storectl(), "--root", str(root), "db", "current"])
