"""podman with its own storage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, final

from tests.support.engine import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.process import Programs


@final
class Podman:
    """podman with the vfs driver, which works on any kernel."""

    def __init__(self, programs: Programs, storage: Path) -> None:
        self._programs = programs
        # podman stores the runtime folder's path in 50 bytes.
        own = [
            "--root",
            storage / "root",
            "--runroot",
            storage / "run",
            "--tmpdir",
            storage / "tmp",
        ]
        self.command = [
            program("podman"),
            *map(str, own),
            "--storage-driver=vfs",
            "--events-backend=none",
            "--cgroup-manager=cgroupfs",
        ]

    def version(self) -> str:
        """Return podman's version."""
        return self._programs.run("podman", "--version").split()[-1]

    def run(self, *words: str | Path) -> str:
        """Run a podman command; return its output.

        Raises:
            PeerRefusal: The command failed.
        """
        return self._programs.run(*self.command, *words)

    def clear(self) -> None:
        """Remove every image."""
        self.run("rmi", "--all", "--force")

    def image_ids(self) -> set[str]:
        """Return the IDs of all images."""
        return {
            f"sha256:{row['Id']}"
            for row in json.loads(self.run("images", "--all", "--format", "json"))
        }

    def digests(self) -> set[str]:
        """Return the manifest digests of all images."""
        found = json.loads(self.run("images", "--all", "--digests", "--format", "json"))
        return {row["Digest"] for row in found} | {
            name.partition("@")[2] for row in found for name in row.get("RepoDigests") or ()
        }
