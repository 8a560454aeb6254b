"""Contestants that run a command line in a new folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench import workshop
from bench.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.measuring.measure import Daemon
    from bench.model import Sample
    from bench.workshop import Workshop


@dataclass(slots=True)
class Command:
    """A contestant that runs one command line in a new folder, with TMPDIR in the folder.

    Attributes:
        name: The contestant's name in the results.
        shop: Creates the folders.
        argv: Returns the command line for a folder.
        inputs: Files and folders to read into the page cache before the run.
        setup: Called with the folder before the run, untimed; may raise MissingError.
        keeps: The names of the results in the folder; their size on disk is ``disk_bytes``.
        stdin: A file for standard input; None for no input.
        stdout: The name of a file in the folder for standard output; None to discard the output.
        env: Returns additional environment variables for a folder.
        teardown: Called with the folder before the folder is removed.
        daemon: Returns a server that does work for the command; the server's cost is added.
        requests: Returns how many requests a server has logged; those of the run are the figure
            ``requests``.
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
    requests: Callable[[], int] | None = None
    _folder: Path = field(default=Path(), init=False)

    def prepare(self) -> None:
        """Create a new folder, call ``setup``, and read the inputs into the page cache."""
        self._folder = self.shop.folder()
        (self._folder / "tmp").mkdir()
        if self.setup is not None:
            self.setup(self._folder)
        for path in self.inputs:
            workshop.warm(path)
        workshop.sync()

    def run(self) -> Sample:
        """Run the command line in the folder, and return the cost of the run."""
        folder = self._folder
        before = self.requests() if self.requests else 0
        sample = measure.run(
            self.argv(folder),
            watch=[*(folder / name for name in self.keeps), folder / "tmp"],
            env={"TMPDIR": str(folder / "tmp"), **(self.env(folder) if self.env else {})},
            stdin=self.stdin,
            stdout=None if self.stdout is None else folder / self.stdout,
            daemon=self.daemon() if self.daemon else None,
        )
        if self.requests is None:
            return sample
        return replace(sample, extra={**sample.extra, "requests": self.requests() - before})

    def clean(self) -> None:
        """Call ``teardown``, and remove the folder."""
        if self.teardown is not None:
            self.teardown(self._folder)
        shutil.rmtree(self._folder, ignore_errors=True)
