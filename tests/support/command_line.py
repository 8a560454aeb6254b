"""The command line, called in this process, with what it printed."""

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
    """Runs verbs on one store. ``out``, ``err`` and ``raw`` are of the last run."""

    def __init__(self, root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        self.root = root
        self.capture = capfdbinary
        self.out = ""
        self.err = ""
        self.raw = b""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run; what it printed on standard output. The exit code must be ``code``."""
        self.capture.readouterr()
        got = cli.run(["--root", str(self.root), *arguments])
        sys.stdout.flush()
        self.raw, err = self.capture.readouterr()
        self.out, self.err = self.raw.decode(errors="replace"), err.decode()
        assert got == code, self.err
        return self.out

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """The document that a verb prints with ``--json``."""
        return json.loads(self(*arguments, "--json"))
