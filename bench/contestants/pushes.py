"""Clients that push a whole image to a registry, as people do."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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


@dataclass(slots=True)
class Source:
    """An image, as a server has it that is none of the contestants', as a layout and in an engine: each is made when it is first wanted."""

    served: Served
    _layouts: list[Path] = field(default_factory=list)

    @property
    def shop(self) -> Workshop:
        """Where all this is."""
        return self.served.shop

    def layout(self) -> Path:
        """A folder with the image as an OCI layout, its layers not compressed. Raises MissingError."""
        if not self._layouts:
            running, image, _ = self.served.ready()
            folder = self.shop.folder()
            source = f"docker://127.0.0.1:{running.port}/{image}"
            subprocess.run([program("skopeo"), "copy", "-q", "--insecure-policy", "--src-tls-verify=false", source, f"oci:{folder}:1"], check=True)
            self._layouts.append(folder)
        return self._layouts[0]

    def in_engine(self) -> str:
        """The name that the engine has it by. Raises MissingError."""
        running, image, _ = self.served.ready()
        name = f"127.0.0.1:{running.port}/{image}"
        subprocess.run([*docker(self.shop), "pull", "-q", name], check=True, stdout=subprocess.DEVNULL)
        return name


def docker(shop: Workshop) -> list[str]:
    """The client, told which engine. Raises MissingError."""
    return [program("docker"), "-H", f"unix://{shop.engine().socket}"]


def by_skopeo(source: Source, target: str) -> list[str]:
    """What pushes the image to ``target`` as it is. Raises MissingError, as the others do."""
    layout = f"oci:{source.layout()}:1"
    return [program("skopeo"), "copy", "-q", "--insecure-policy", "--preserve-digests", "--dest-tls-verify=false", layout, f"docker://{target}"]


def by_crane(source: Source, target: str) -> list[str]:
    """The same."""
    return [program("crane-0.22", newest=True), "push", "--insecure", str(source.layout()), target]


def by_docker(source: Source, target: str) -> list[str]:
    """The same, but that Docker packs each layer with gzip on the way."""
    subprocess.run([*docker(source.shop), "tag", source.in_engine(), target], check=True)
    return [*docker(source.shop), "push", "-q", target]


@dataclass(slots=True)
class ImagePush:
    """A server that is empty, and a client that pushes an image to it. ``cpu_s`` is both."""

    client: Callable[[Source, str], Sequence[str]]
    name: str
    source: Source
    _ready: list[tuple[Running, Sequence[str]]] = field(default_factory=list)

    def prepare(self) -> None:
        """See `Contestant`. Raises MissingError."""
        running = start(self.source.shop, SERVERS[self.name])
        self._ready.append((running, ()))
        self._ready[0] = running, self.client(self.source, f"127.0.0.1:{running.port}/bench/image:1")
        workshop.sync()

    def run(self) -> Sample:
        """See `Contestant`."""
        ((running, command),) = self._ready
        engine = self.source.shop.engine().pids() if self.client is by_docker else ()
        return measure.run(command, daemon=Daemon((*engine, *running.daemon().pids)))

    def clean(self) -> None:
        """See `Contestant`."""
        while self._ready:
            remove(self._ready.pop()[0])
