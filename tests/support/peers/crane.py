"""crane: copies from registries to files and back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.process import Programs

PROGRAM: Final = os.environ.get("CRANE", "crane")


@final
class Crane:
    """crane, which talks to its registries without TLS."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def version(self) -> str:
        """Return crane's version."""
        return self._programs.run(PROGRAM, "version").strip().removeprefix("v")

    def run(self, *words: str | Path) -> str:
        """Run a crane command; return its output.

        Raises:
            PeerRefusal: The command failed.
        """
        return self._programs.run(PROGRAM, "--insecure", *words)
