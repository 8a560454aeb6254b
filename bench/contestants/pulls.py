"""Pulls of a whole image from a registry by its usual clients."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import measure, workshop
from bench.measure import Daemon
from bench.missing import MissingError
from bench.workshop import program

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.contestants.servers import Served
    from bench.model import Sample


def skopeo(image: str, target: Path) -> list[str]:
    """Return the command line that copies ``image`` into a folder. Raises MissingError."""
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
    """Return the command line that copies ``image`` into a layout. Raises MissingError."""
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
    """A client that copies an image from a server into a folder. ``cpu_s`` includes the server."""

    client: Callable[[str, Path], list[str]]
    served: Served

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.served.name

    def prepare(self) -> None:
        """Start and fill the server before the first round.

        Raises:
            MissingError: A program of the measurement is missing.
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
        """Do nothing: the folder is removed with the run."""


@dataclass(slots=True)
class DockerPull:
    """An empty Docker Engine that pulls an image from a server. ``cpu_s`` includes the server."""

    served: Served

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.served.name

    def prepare(self) -> None:
        """Start and fill the server before the first round, and empty the engine.

        Raises:
            MissingError: A program of the measurement is missing.
        """
        program("docker")
        self.served.ready()
        self.served.shop.engine().clear()
        workshop.sync()

    def run(self) -> Sample:
        """Pull the image, and return the cost of client and server."""
        running, image, _ = self.served.ready()
        engine = self.served.shop.engine()
        # An engine uses no TLS for a registry on the loopback interface.
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
