"""An operation that the fault layer strikes, and the folders of one try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from storectl import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Tell = Callable[[str], None]


@final
@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one try: the store, archives to import, and a folder for output."""

    root: Path
    archives: Path
    out: Path


def nothing(_place: Place) -> None:
    """Change nothing, and find nothing wrong."""


@final
@dataclass(frozen=True, slots=True)
class Operation:
    """Something that changes a store or writes an archive.

    Attributes:
        name: The name in the table of figures.
        run: Does it; returns an exit code, and tells what was acknowledged before the end.
        is_atomic: Whether only the state before and the state after can be seen. Otherwise some of
            its changes may be seen without the others.
        done_codes: Exit codes of a repetition after the operation has succeeded.
        prepare: Changes the store before the operation.
        is_healing: Whether the store is damaged before the operation.
        is_restoring: Whether the store has, after the operation, everything that it had before
            `prepare`.
        output: Where the operation writes an archive or a layout, below ``Place.out``.
        check: Checks what the operation has written elsewhere, after success and repetition.
    """

    name: str
    run: Callable[[Place, Tell], int]
    is_atomic: bool = True
    done_codes: frozenset[int] = frozenset({0})
    prepare: Callable[[Place], None] = nothing
    is_healing: bool = False
    is_restoring: bool = False
    output: str = ""
    check: Callable[[Place], None] = nothing


def command(*arguments: str) -> Callable[[Place, Tell], int]:
    """Return a function that runs a command in this process; ``{in}`` and ``{out}`` are folders."""

    def run(place: Place, _tell: Tell) -> int:
        words = [
            one.replace("{in}", str(place.archives)).replace("{out}", str(place.out))
            for one in arguments
        ]
        return cli.run(["--root", str(place.root), *words])

    return run
