"""buildah with its own storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.process import Programs


@final
class Buildah:
    """buildah with the vfs driver, which works on any kernel."""

    def __init__(self, programs: Programs, storage: Path) -> None:
        self._programs = programs
        self._command = [
            "buildah",
            "--root",
            str(storage / "root"),
            "--runroot",
            str(storage / "run"),
            "--storage-driver=vfs",
        ]

    def version(self) -> str:
        """Return buildah's version."""
        return self._programs.run("buildah", "--version").split()[2]

    def run(self, *words: str | Path) -> str:
        """Run a buildah command; return its output.

        Raises:
            PeerRefusal: The command failed.
        """
        return self._programs.run(*self._command, *words)

    def clear(self) -> None:
        """Remove every image."""
        self.run("rmi", "--all", "--force")
