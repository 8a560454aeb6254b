"""Clients that pull a whole image from a registry, as people do."""

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
    """What copies ``image`` into the folder ``target``. Raises MissingError, as the other does."""
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
    """The same, as a layout."""
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
    """A server, and a client that copies an image from it into a folder. ``cpu_s`` is both."""

    client: Callable[[str, Path], list[str]]
    served: Served

    @property
    def name(self) -> str:
        """See `Contestant`."""
        return self.served.name

    def prepare(self) -> None:
        """See `Contestant`. Raises MissingError."""
        self.client("", Path())
        self.served.ready()
        workshop.sync()

    def run(self) -> Sample:
        """See `Contestant`."""
        running, image, _ = self.served.ready()
        target = self.served.shop.folder()
        try:
            return measure.run(
                self.client(f"127.0.0.1:{running.port}/{image}", target), daemon=running.daemon()
            )
        finally:
            shutil.rmtree(target)

    def clean(self) -> None:
        """See `Contestant`."""


@dataclass(slots=True)
class DockerPull:
    """A server, and a Docker Engine that has nothing yet and pulls an image from it.

    ``cpu_s`` is both.
    """

    served: Served

    @property
    def name(self) -> str:
        """See `Contestant`."""
        return self.served.name

    def prepare(self) -> None:
        """See `Contestant`. Raises MissingError."""
        program("docker")
        self.served.ready()
        self.served.shop.engine().clear()
        workshop.sync()

    def run(self) -> Sample:
        """See `Contestant`."""
        running, image, _ = self.served.ready()
        engine = self.served.shop.engine()
        # To an engine a registry on the loopback interface is one without TLS.
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
        """See `Contestant`."""
        with contextlib.suppress(MissingError):
            self.served.shop.engine().clear()
