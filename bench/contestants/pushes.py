"""Pushes of a whole image to a registry by its usual clients."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench import measure, workshop
from bench.contestants.servers import SERVERS, Running, remove, start
from bench.measure import Daemon
from bench.workshop import program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.contestants.servers import Served
    from bench.model import Sample
    from bench.workshop import Workshop


MEASURED: Final = "1"
WARMING: Final = "warming"
"""Tags of a source's images: the measured image, and the image that is pushed before it."""


@dataclass(slots=True)
class Source:
    """Images to push: in a server of their own, as layouts and in an engine; made when needed."""

    served: Served
    _layouts: dict[str, Path] = field(default_factory=dict)

    @property
    def shop(self) -> Workshop:
        """The workshop of the server."""
        return self.served.shop

    def name(self, tag: str) -> str:
        """Return the reference of an image in the server. Raises MissingError."""
        running, repository, _ = self.served.ready()
        return f"127.0.0.1:{running.port}/{repository}:{tag}"

    def layout(self, tag: str) -> Path:
        """Return a folder with the image as an OCI layout with uncompressed layers.

        Raises:
            MissingError: skopeo or the server is missing.
        """
        if tag not in self._layouts:
            folder = self.shop.folder()
            source = f"docker://{self.name(tag)}"
            subprocess.run(
                [
                    program("skopeo"),
                    "copy",
                    "-q",
                    "--insecure-policy",
                    "--src-tls-verify=false",
                    source,
                    f"oci:{folder}:1",
                ],
                check=True,
            )
            self._layouts[tag] = folder
        return self._layouts[tag]

    def in_engine(self, tag: str) -> str:
        """Pull an image into the engine, and return its name there. Raises MissingError."""
        name = self.name(tag)
        subprocess.run(
            [*docker(self.shop), "pull", "-q", name], check=True, stdout=subprocess.DEVNULL
        )
        return name


def docker(shop: Workshop) -> list[str]:
    """Return the start of a docker command line for the run's engine. Raises MissingError."""
    return [program("docker"), "-H", f"unix://{shop.engine().socket}"]


def by_skopeo(source: Source, tag: str, target: str) -> list[str]:
    """Return a command line that pushes the image unchanged. Raises MissingError."""
    layout = f"oci:{source.layout(tag)}:1"
    return [
        program("skopeo"),
        "copy",
        "-q",
        "--insecure-policy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        layout,
        f"docker://{target}",
    ]


def by_crane(source: Source, tag: str, target: str) -> list[str]:
    """Return a command line that pushes the image unchanged. Raises MissingError."""
    return [
        program("crane-0.22", newest=True),
        "push",
        "--insecure",
        str(source.layout(tag)),
        target,
    ]


def by_docker(source: Source, tag: str, target: str) -> list[str]:
    """Return a command line that pushes the image; Docker compresses its layers.

    Raises:
        MissingError: docker, the engine or the server is missing.
    """
    subprocess.run([*docker(source.shop), "tag", source.in_engine(tag), target], check=True)
    return [*docker(source.shop), "push", "-q", target]


@dataclass(slots=True)
class ImagePush:
    """A client that pushes an image to a server that received another image before.

    ``cpu_s`` includes the server.
    """

    client: Callable[[Source, str, str], Sequence[str]]
    name: str
    source: Source
    _running: list[Running] = field(default_factory=list)
    _command: Sequence[str] = ()

    def prepare(self) -> None:
        """Start a server and push another image to it.

        Raises:
            MissingError: A program of the measurement is missing.
        """
        running = start(self.source.shop, SERVERS[self.name])
        self._running.append(running)
        target = f"127.0.0.1:{running.port}/bench/image:1"
        subprocess.run(
            self.client(self.source, WARMING, target),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._command = self.client(self.source, MEASURED, target)
        workshop.sync()

    def run(self) -> Sample:
        """Push the image, and return the cost of client and server."""
        (running,) = self._running
        engine = self.source.shop.engine().pids() if self.client is by_docker else ()
        return measure.run(self._command, daemon=Daemon((*engine, *running.daemon().pids)))

    def clean(self) -> None:
        """Stop the server and remove its folder."""
        while self._running:
            remove(self._running.pop())
