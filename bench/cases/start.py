"""The benchmark case that measures how long commands take to start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from bench.contestants.command import Command
from bench.contestants.ours import new_store
from bench.corpora.inputs import Inputs
from bench.derived import wall
from bench.model import Case, Target
from bench.workshop import storectl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.model import Contestant
    from bench.workshop import Workshop

_VERSION: Final = "storectl --version"
_HELP: Final = "storectl --help"
_IMAGES: Final = "storectl images"
_NOTHING: Final = "python -c pass"
_SQLALCHEMY: Final = "python -c 'import sqlalchemy'"


def _contestants(shop: Workshop) -> Sequence[Contestant]:
    root = new_store(shop, [Inputs(shop).tiny()])

    def one(name: str, *argv: str) -> Contestant:
        # Let Python write bytecode, as for an installed program; otherwise the case would measure
        # Python's compiler.
        return Command(
            name, shop, lambda _folder: argv, env=lambda _folder: {"PYTHONDONTWRITEBYTECODE": ""}
        )

    return [
        one(_VERSION, storectl(), "--version"),
        one(_HELP, storectl(), "--help"),
        one(_IMAGES, storectl(), "--root", str(root), "images"),
        one(_NOTHING, sys.executable, "-c", "pass"),
        one(_SQLALCHEMY, sys.executable, "-c", "import sqlalchemy"),
    ]


CASES: Final = (
    Case(
        "start",
        "start",
        _contestants,
        (
            Target(
                "--version ≤ 6 x python -c pass",
                lambda one: wall(one, _VERSION) / wall(one, _NOTHING),
                6,
            ),
            Target(
                "--help ≤ 6 x python -c pass", lambda one: wall(one, _HELP) / wall(one, _NOTHING), 6
            ),
            Target(
                "images ≤ 1.5 x the import of SQLAlchemy",
                lambda one: wall(one, _IMAGES) / wall(one, _SQLALCHEMY),
                1.5,
            ),
        ),
        rounds=25,
    ),
)
