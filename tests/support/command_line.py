"""The command line, called in this process, with its output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, final

from storectl import cli

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@final
class Runner:
    """A command line on one store; ``out``, ``err`` and ``raw`` are the output of the last run."""

    def __init__(self, root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        self.root = root
        self.capture = capfdbinary
        self.out = ""
        self.err = ""
        self.raw = b""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command, assert its exit code, and return its standard output."""
        assert self.attempt(*arguments) == code, self.err
        return self.out

    def attempt(self, *arguments: str) -> int:
        """Run a command, and return its exit code."""
        self.capture.readouterr()
        got = cli.run(["--root", str(self.root), *arguments])
        sys.stdout.flush()
        self.raw, err = self.capture.readouterr()
        self.out, self.err = self.raw.decode(errors="replace"), err.decode()
        return got

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """Return the document that a command prints with ``--json``."""
        return json.loads(self(*arguments, "--json"))
