"""Clients that push a whole image to a registry, as people do."""

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
"""Tags of a source's images: of the one that a case is about, and of one that is pushed before it."""


@dataclass(slots=True)
class Source:
    """Images of one repository, as a server has them that is none of the contestants', as layouts and in an engine: each is made when it is first wanted."""

    served: Served
    _layouts: dict[str, Path] = field(default_factory=dict)

    @property
    def shop(self) -> Workshop:
        """Where all this is."""
        return self.served.shop

    def name(self, tag: str) -> str:
        """Where the server has an image. Raises MissingError."""
        running, repository, _ = self.served.ready()
        return f"127.0.0.1:{running.port}/{repository}:{tag}"

    def layout(self, tag: str) -> Path:
        """A folder with the image as an OCI layout, its layers not compressed.

        Raises MissingError.
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
        """The name that the engine has it by. Raises MissingError."""
        name = self.name(tag)
        subprocess.run(
            [*docker(self.shop), "pull", "-q", name], check=True, stdout=subprocess.DEVNULL
        )
        return name


def docker(shop: Workshop) -> list[str]:
    """The client, told which engine. Raises MissingError."""
    return [program("docker"), "-H", f"unix://{shop.engine().socket}"]


def by_skopeo(source: Source, tag: str, target: str) -> list[str]:
    """What pushes the image to ``target`` as it is. Raises MissingError, as the others do."""
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
    """The same."""
    return [
        program("crane-0.22", newest=True),
        "push",
        "--insecure",
        str(source.layout(tag)),
        target,
    ]


def by_docker(source: Source, tag: str, target: str) -> list[str]:
    """The same, but that Docker packs each layer with gzip on the way."""
    subprocess.run([*docker(source.shop), "tag", source.in_engine(tag), target], check=True)
    return [*docker(source.shop), "push", "-q", target]


@dataclass(slots=True)
class ImagePush:
    """A server that has run for a while and has nothing of an image, and a client that pushes it.

    ``cpu_s`` is both.
    """

    client: Callable[[Source, str, str], Sequence[str]]
    name: str
    source: Source
    _running: list[Running] = field(default_factory=list)
    _command: Sequence[str] = ()

    def prepare(self) -> None:
        """See `Contestant`. Raises MissingError."""
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
        """See `Contestant`."""
        (running,) = self._running
        engine = self.source.shop.engine().pids() if self.client is by_docker else ()
        return measure.run(self._command, daemon=Daemon((*engine, *running.daemon().pids)))

    def clean(self) -> None:
        """See `Contestant`."""
        while self._running:
            remove(self._running.pop())
