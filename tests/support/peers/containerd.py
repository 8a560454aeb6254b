"""containerd and its client ``ctr``, with their own socket and folder."""

from __future__ import annotations

import json
import platform
import re
from typing import TYPE_CHECKING, Final, final

from tests.support.engine import program
from tests.support.peers.process import Programs, Server

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: Final = """version = 2
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
]
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/s"
[ttrpc]
address = "{folder}/t"
"""

UNPACKING: Final = """[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux/{machine}"
snapshotter = "native"
"""
"""containerd 2 unpacks in its transfer service, which has a snapshotter of its own."""


@final
class Containerd:
    """A containerd that the tests start; always call `stop`.

    Layers are unpacked by the ``native`` snapshotter, which works on any kernel.
    """

    def __init__(self, programs: Programs, folder: Path, *, suffix: str = "") -> None:
        """Start the daemon.

        Args:
            programs: The runner of the client.
            folder: The folder of the daemon, which must not exist.
            suffix: What follows ``containerd`` and ``ctr`` in the names of the programs, such as
                ``-2`` for those that scripts/build_peers.sh builds.
        """
        folder.mkdir()
        self._programs = programs
        self._ctr = program(f"ctr{suffix}")
        self._socket = folder / "s"
        self._namespaces = 0
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        unpacking = UNPACKING.format(machine=machine) if suffix else ""
        (folder / "config.toml").write_text(CONFIG.format(folder=folder) + unpacking)
        self._server = Server(
            [program(f"containerd{suffix}"), "--config", folder / "config.toml"],
            folder / "log",
            programs.environment,
        ).await_start(self._socket.exists)

    def stop(self) -> None:
        """End the daemon."""
        self._server.stop()

    def version(self) -> str:
        """Return the client's version."""
        return re.split("[~+]", self._programs.run(self._ctr, "--version").split()[-1])[0]

    @property
    def command(self) -> list[str]:
        """The client's command line up to its verb."""
        namespace = f"matrix-{self._namespaces}"
        return [self._ctr, "--address", str(self._socket), "--namespace", namespace]

    def run(self, *words: str | Path, stdin: Path | None = None) -> str:
        """Run a ctr command; return its output.

        Raises:
            PeerRefusal: The command failed.
        """
        return self._programs.run(*self.command, *words, stdin=stdin)

    def import_archive(self, archive: Path, *options: str) -> None:
        """Import an archive with ``ctr images import``.

        Raises:
            PeerRefusal: The command failed.
        """
        self.run("images", "import", "--snapshotter", "native", *options, archive)

    def clear(self) -> None:
        """Change to a new namespace, which has no images and no content."""
        self._namespaces += 1

    def images(self) -> dict[str, str]:
        """Return the digest of each image by its name."""
        lines = [line.split() for line in self.run("images", "ls").splitlines()[1:]]
        return {
            fields[0]: next(field for field in fields if field.startswith("sha256:"))
            for fields in lines
        }

    def config_digest(self, manifest: str) -> str | None:
        """Return the digest of a manifest's config, or None for an index."""
        document = json.loads(self.run("content", "get", manifest))
        digest: str | None = document.get("config", {}).get("digest")
        return digest
