"""Contestants that push a whole image to a registry with skopeo, crane or Docker."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench import workshop
from bench.contestants.servers import SERVERS, Running, remove, start
from bench.measuring import measure
from bench.measuring.measure import Daemon
from bench.workshop import program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.contestants.servers import Served
    from bench.model import Sample
    from bench.workshop import Workshop


MEASURED: Final = "1"
WARMING: Final = "warming"
"""The tags of the measured image, and of another image that is pushed first, untimed."""


@dataclass(slots=True)
class Source:
    """The images to push, in a server, in image layouts and in a Docker Engine.

    The layouts and the images in the engine are created on first use.

    Attributes:
        served: The server that holds the images.
    """

    served: Served
    _layouts: dict[str, Path] = field(default_factory=dict)

    @property
    def shop(self) -> Workshop:
        """The workshop, which has the run's folders and programs."""
        return self.served.shop

    def name(self, tag: str) -> str:
        """Return the reference of an image in the server.

        Raises:
            MissingError: The server is missing or does not start.
        """
        running, repository, _ = self.served.ready()
        return f"127.0.0.1:{running.port}/{repository}:{tag}"

    def layout(self, tag: str) -> Path:
        """Return the folder of an image layout that holds an image with uncompressed layers.

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
        """Pull an image into the engine, and return its name in the engine.

        Raises:
            MissingError: docker, the engine or the server is missing.
        """
        name = self.name(tag)
        subprocess.run(
            [*docker(self.shop), "pull", "-q", name], check=True, stdout=subprocess.DEVNULL
        )
        return name


def docker(shop: Workshop) -> list[str]:
    """Return the beginning of a docker command line that uses the run's engine.

    Raises:
        MissingError: docker or the engine is missing.
    """
    return [program("docker"), "-H", f"unix://{shop.engine().socket}"]


def by_skopeo(source: Source, tag: str, target: str) -> list[str]:
    """Return the command line that pushes an image unchanged with skopeo.

    Raises:
        MissingError: skopeo or the server is missing.
    """
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
    """Return the command line that pushes an image unchanged with crane.

    Raises:
        MissingError: crane, skopeo or the server is missing.
    """
    return [
        program("crane-0.22", newest=True),
        "push",
        "--insecure",
        str(source.layout(tag)),
        target,
    ]


def by_docker(source: Source, tag: str, target: str) -> list[str]:
    """Return the command line that pushes an image with Docker; Docker compresses the layers.

    Raises:
        MissingError: docker, the engine or the server is missing.
    """
    subprocess.run([*docker(source.shop), "tag", source.in_engine(tag), target], check=True)
    return [*docker(source.shop), "push", "-q", target]


@dataclass(slots=True)
class ImagePush:
    """A client that pushes an image to a server that has already received another image.

    The measured cost includes the cost of the server.

    Attributes:
        client: Returns the command line for a source, a tag and a target; raises MissingError.
        name: The server's name in `SERVERS`.
        source: The images to push.
    """

    client: Callable[[Source, str, str], Sequence[str]]
    name: str
    source: Source
    _running: list[Running] = field(default_factory=list)
    _command: Sequence[str] = ()

    def prepare(self) -> None:
        """Start a server, and push another image to it.

        Raises:
            MissingError: The client or a server is missing.
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
