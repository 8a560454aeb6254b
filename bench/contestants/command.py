"""Contestants that are programs: one command in a fresh folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import measure, workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.measure import Daemon
    from bench.model import Sample
    from bench.workshop import Workshop


@dataclass(slots=True)
class Command:
    """Runs one command line in a new folder, with TMPDIR inside of it.

    Args:
        name: See `bench.model.Contestant`.
        shop: Where folders come from.
        argv: The command line, told the folder.
        inputs: What is read into the page cache before; files and folders.
        setup: Makes what has to be there before, in the folder; untimed. May raise MissingError.
        keeps: Names in the folder that are the result: what is in them afterwards is counted.
        stdin: A file to be read from.
        stdout: A name in the folder to write standard output to; None for nowhere.
        env: More environment, told the folder.
        teardown: Called before the folder is removed.
        daemon: A server that works for the command.
    """

    name: str
    shop: Workshop
    argv: Callable[[Path], Sequence[str]]
    inputs: Sequence[Path] = ()
    setup: Callable[[Path], None] | None = None
    keeps: Sequence[str] = ("out",)
    stdin: Path | None = None
    stdout: str | None = None
    env: Callable[[Path], Mapping[str, str]] | None = None
    teardown: Callable[[Path], None] | None = None
    daemon: Callable[[], Daemon] | None = None
    _folder: Path = field(default=Path(), init=False)

    def prepare(self) -> None:
        """See `Contestant`."""
        self._folder = self.shop.folder()
        (self._folder / "tmp").mkdir()
        if self.setup is not None:
            self.setup(self._folder)
        for path in self.inputs:
            workshop.warm(path)
        workshop.sync()

    def run(self) -> Sample:
        """See `Contestant`."""
        folder = self._folder
        return measure.run(
            self.argv(folder),
            watch=[*(folder / name for name in self.keeps), folder / "tmp"],
            env={"TMPDIR": str(folder / "tmp"), **(self.env(folder) if self.env else {})},
            stdin=self.stdin,
            stdout=None if self.stdout is None else folder / self.stdout,
            daemon=self.daemon() if self.daemon else None,
        )

    def clean(self) -> None:
        """See `Contestant`."""
        if self.teardown is not None:
            self.teardown(self._folder)
        shutil.rmtree(self._folder, ignore_errors=True)
