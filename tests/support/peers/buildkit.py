"""BuildKit's daemon and its client ``buildctl``, configured by ``storectl mirror-config``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from tests.support.engine import program
from tests.support.peers.mirror_config import configure, program_with
from tests.support.peers.mirror_endpoint import PASSWORD, USER
from tests.support.peers.process import Server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.mirror_endpoint import Endpoint

PROGRAMS: Final = ("buildkitd", "buildctl", "runc", "unshare")

WORKER: Final = """
[worker.oci]
  enabled = true
  snapshotter = "native"
  binary = "runc"
  networkMode = "host"
[worker.containerd]
  enabled = false
"""


@final
class Buildkit:
    """A buildkitd that has an endpoint as its mirror; always call `stop`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        scheme = "https" if endpoint.tls else "http"
        login = ("--ca", str(endpoint.authority), "--user", USER, "--password-stdin")
        host = configure(
            endpoint.fresh("host"),
            "buildkit",
            f"{scheme}://{endpoint.host}",
            *(login if endpoint.tls else ()),
            stdin=f"{PASSWORD}\n",
        )
        place = "/etc/buildkit"
        config = host / "etc/buildkit/buildkitd.toml"
        config.write_text(config.read_text() + WORKER)
        folder = endpoint.fresh("buildkit")
        folder.mkdir()
        self._socket = folder / "s"
        started = program_with(
            host / "etc/buildkit", place, program("buildkitd"), endpoint.fresh("bin").parent
        )
        options = ["--config", f"{place}/buildkitd.toml", "--root", str(folder / "root")]
        self._server = Server(
            [started, *options, "--addr", f"unix://{self._socket}"],
            folder / "log",
            endpoint.programs.environment,
        ).await_start(self._socket.exists)

    def stop(self) -> None:
        """End the daemon."""
        self._server.stop()

    def run(self, *words: str | Path) -> str:
        """Run buildctl; return its output.

        Raises:
            PeerRefusal: The command failed.
        """
        return self._endpoint.programs.run(
            program("buildctl"), "--addr", f"unix://{self._socket}", *words
        )

    def build(self, dockerfile: str, *options: str, output: str) -> None:
        """Build a Dockerfile whose context has the file ``a.txt``."""
        context = self._endpoint.fresh("context")
        context.mkdir()
        (context / "Dockerfile").write_text(dockerfile)
        (context / "a.txt").write_text("alpha\n")
        local = ("--local", f"context={context}", "--local", f"dockerfile={context}")
        self.run("build", "--frontend", "dockerfile.v0", *local, *options, "--output", output)
