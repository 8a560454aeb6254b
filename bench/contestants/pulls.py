"""Contestants that pull a whole image from a registry with skopeo, crane or Docker."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import workshop
from bench.measuring import measure
from bench.measuring.measure import Daemon
from bench.missing import MissingError
from bench.workshop import program

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.contestants.servers import Served
    from bench.model import Sample


def skopeo(image: str, target: Path) -> list[str]:
    """Return the command line that copies ``image`` into a folder.

    Raises:
        MissingError: skopeo is not installed.
    """
    return [
        program("skopeo"),
        "copy",
        "-q",
        "--insecure-policy",
        "--src-tls-verify=false",
        f"docker://{image}",
        f"dir:{target}",
    ]


def crane(image: str, target: Path) -> list[str]:
    """Return the command line that copies ``image`` into an image layout.

    Raises:
        MissingError: crane was not built.
    """
    return [
        program("crane-0.22", newest=True),
        "pull",
        "--insecure",
        "--format=oci",
        image,
        str(target),
    ]


@dataclass(slots=True)
class FolderPull:
    """A client that copies an image from a server into a folder.

    The measured cost includes the cost of the server.

    Attributes:
        client: Returns the command line for an image and a folder; raises MissingError.
        served: The server that holds the image.
    """

    client: Callable[[str, Path], list[str]]
    served: Served

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.served.name

    def prepare(self) -> None:
        """Start and fill the server before the first round.

        Raises:
            MissingError: The client or the server is missing.
        """
        self.client("", Path())
        self.served.ready()
        workshop.sync()

    def run(self) -> Sample:
        """Pull the image, and return the cost of client and server."""
        running, image, _ = self.served.ready()
        target = self.served.shop.folder()
        try:
            return measure.run(
                self.client(f"127.0.0.1:{running.port}/{image}", target), daemon=running.daemon()
            )
        finally:
            shutil.rmtree(target)

    def clean(self) -> None:
        """Do nothing: `run` removes the folder."""


@dataclass(slots=True)
class DockerPull:
    """An empty Docker Engine that pulls an image; the measured cost includes the server's cost."""

    served: Served

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.served.name

    def prepare(self) -> None:
        """Start and fill the server before the first round, and remove all images from the engine.

        Raises:
            MissingError: Docker, the engine or the server is missing.
        """
        program("docker")
        self.served.ready()
        self.served.shop.engine().clear()
        workshop.sync()

    def run(self) -> Sample:
        """Pull the image, and return the cost of client and server."""
        running, image, _ = self.served.ready()
        engine = self.served.shop.engine()
        # The engine accepts a registry without TLS on the loopback interface.
        command = [
            program("docker"),
            "-H",
            f"unix://{engine.socket}",
            "pull",
            "-q",
            f"127.0.0.1:{running.port}/{image}",
        ]
        return measure.run(
            command,
            watch=[engine.data / "tmp"],
            daemon=Daemon((*engine.pids(), *running.daemon().pids)),
        )

    def clean(self) -> None:
        """Remove all images from the engine."""
        with contextlib.suppress(MissingError):
            self.served.shop.engine().clear()
