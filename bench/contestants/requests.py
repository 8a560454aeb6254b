"""Contestants that send requests to a server: pulls of blobs and manifests, lists, pushes."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench import workshop
from bench.contestants.servers import (
    OURS,
    SERVERS,
    Running,
    Served,
    Software,
    digest_of,
    remove,
    start,
    storectl_server,
)
from bench.measuring.measure import peak_of
from bench.model import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.workshop import Workshop


def load(
    running: Running, clients: int, times: int, size_bytes: int, path: str
) -> subprocess.Popen[str]:
    """Start a process whose clients request ``path``, and return the process.

    Args:
        running: The server to send requests to.
        clients: The number of connections.
        times: The number of requests on each connection.
        size_bytes: The length of a response body.
        path: The path to request.
    """
    command = [
        sys.executable,
        "-m",
        "bench.measuring.load",
        str(running.port),
        str(clients),
        str(times),
        str(size_bytes),
        path,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def figures_of(clients: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for the process that `load` started, and return the figures that it prints.

    Raises:
        CalledProcessError: The process failed.
    """
    said, _ = clients.communicate()
    if clients.returncode:
        raise subprocess.CalledProcessError(clients.returncode, clients.args)
    found: dict[str, float] = json.loads(said)
    return found


@dataclass(slots=True)
class Requests:
    """A server that answers requests; the clients themselves cost almost nothing.

    ``cpu_s`` and ``peak_bytes`` are the cost of the server alone. ``first_byte_s`` is the longest
    wait for the first byte of a response.

    Attributes:
        served: The server, with the response that clients request.
        clients: The number of connections.
        times: The number of requests on each connection.
    """

    served: Served
    clients: int
    times: int

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.served.name

    def prepare(self) -> None:
        """Send one request, so that files are in the page cache and the code has run once.

        Raises:
            MissingError: The server cannot be started.
        """
        running, path, size = self.served.ready()
        figures_of(load(running, 1, 1, size, path))
        workshop.sync()

    def run(self) -> Sample:
        """Run the clients, and return the cost of the server."""
        running, path, size = self.served.ready()
        daemon = running.daemon()
        daemon.begin()
        found = figures_of(load(running, self.clients, self.times, size, path))
        return Sample(
            found["wall_s"],
            daemon.spent_s(),
            sum(map(peak_of, daemon.pids)),
            extra={"first_byte_s": found["first_byte_s"]},
        )

    def clean(self) -> None:
        """Do nothing: the server serves all rounds."""


@dataclass(slots=True)
class RequestsUnderLoad:
    """Small requests to a busy server; the result is the longest wait for an answer.

    Attributes:
        name: The contestant's name in the results.
        busy: The server, with the large response that clients request.
        small: The small response, requested from the same server.
        clients: The number of connections that request the large response.
        times: The largest number of measurements with the small response.
    """

    name: str
    busy: Served
    small: Served
    clients: int
    times: int

    def prepare(self) -> None:
        """Start and fill the server before the first round.

        Raises:
            MissingError: The server cannot be started.
        """
        running, path, size = self.busy.ready()
        figures_of(load(running, 1, 1, size, path))

    def run(self) -> Sample:
        """Run both kinds of clients, and return the cost of the server."""
        running, path, size = self.busy.ready()
        small, small_size = self.small.feed(running)
        daemon = running.daemon()
        daemon.begin()
        working = load(running, self.clients, 1, size, path)
        time.sleep(0.3)
        began = time.perf_counter()
        waits: list[float] = []
        while working.poll() is None and len(waits) < self.times:
            waits.append(figures_of(load(running, 1, 50, small_size, small))["first_byte_s"])
        found = figures_of(working)
        extra = {"slowest_manifest_s": max(waits), "beside_s": time.perf_counter() - began}
        return Sample(
            found["wall_s"], daemon.spent_s(), sum(map(peak_of, daemon.pids)), extra=extra
        )

    def clean(self) -> None:
        """Do nothing: the server serves all rounds."""


@dataclass(slots=True)
class ListPages:
    """Requests for all pages of the catalog, and for the tags of a hundred repositories.

    Attributes:
        name: The contestant's name in the results.
        shop: Creates the folders.
        store: Returns the root of the large store to serve.
    """

    name: str
    shop: Workshop
    store: Callable[[], Path]
    _running: list[Running] = field(default_factory=list)

    def prepare(self) -> None:
        """Start a server on a copy of the store.

        Raises:
            MissingError: The server does not start.
        """

        def command(folder: Path, port: int) -> Sequence[str]:
            shutil.copytree(self.store(), folder / "store")
            return storectl_server(folder, port)

        self._running.append(start(self.shop, Software(OURS, command)))
        workshop.sync()

    def run(self) -> Sample:
        """Read all pages, and return the cost of the server.

        ``first_bytes`` is the server's peak memory after the first page. It is compared with the
        peak memory after all pages.
        """
        (running,) = self._running
        daemon = running.daemon()
        daemon.begin()
        began = time.perf_counter()
        names, after = self._pages(running, "/v2/_catalog?n=1000", "repositories", once=True)
        early = peak_of(running.process.pid)
        while after is not None:
            more, after = self._pages(running, after, "repositories", once=True)
            names += more
        tags = 0
        for name in names[:: max(1, len(names) // 100)]:
            found, _ = self._pages(running, f"/v2/{name}/tags/list?n=20", "tags", once=False)
            tags += len(found)
        wall = time.perf_counter() - began
        extra = {
            "repositories": float(len(names)),
            "tags": float(tags),
            "first_bytes": float(early),
        }
        return Sample(wall, daemon.spent_s(), peak_of(running.process.pid), extra=extra)

    @staticmethod
    def _pages(
        running: Running, path: str, member: str, *, once: bool
    ) -> tuple[list[str], str | None]:
        found: list[str] = []
        following: str | None = path
        while following is not None:
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
            connection.request("GET", following)
            with connection.getresponse() as answer:
                found += json.loads(answer.read())[member]
                link = answer.headers.get("Link")
            connection.close()
            following = None if link is None else link[1:].partition(">")[0]
            if once:
                break
        return found, following

    def clean(self) -> None:
        """Stop the server and remove its folder."""
        while self._running:
            remove(self._running.pop())


@dataclass(slots=True)
class BlobPush:
    """A push of one blob to an empty server, until the server reports that the blob is stored.

    Attributes:
        name: The server's name in `SERVERS`.
        shop: Creates the folders.
        file: Returns the file to push.
    """

    name: str
    shop: Workshop
    file: Callable[[], Path]
    _running: list[Running] = field(default_factory=list)

    def prepare(self) -> None:
        """Start an empty server, and read the file into the page cache.

        Raises:
            MissingError: The server's program is missing or does not start.
        """
        self._running.append(start(self.shop, SERVERS[self.name]))
        workshop.warm(self.file())
        digest_of(self.file())
        workshop.sync()

    def run(self) -> Sample:
        """Push the file, and return the cost of the server."""
        (running,) = self._running
        daemon = running.daemon()
        daemon.begin()
        began = time.perf_counter()
        running.push_blob(self.file(), digest_of(self.file()))
        return Sample(time.perf_counter() - began, daemon.spent_s(), sum(map(peak_of, daemon.pids)))

    def clean(self) -> None:
        """Stop the server and remove its folder."""
        while self._running:
            remove(self._running.pop())
