"""Servers: storectl, other registries, and nginx with the same bytes as a file, which is the limit.

Each is started for a run, fed, and ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bench import priority, workshop
from bench.measure import Daemon, peak_of
from bench.missing import MissingError
from bench.model import Sample
from bench.workshop import program, storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.workshop import Workshop

OURS: Final = "storectl"
NGINX: Final = "nginx"
REGISTRY: Final = "docker-registry 2.8"
NEWEST_REGISTRY: Final = "distribution 3"
OLAREG: Final = "olareg"
ZOT: Final = "zot"

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
REPOSITORY: Final = "bench/image"

_START_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Software:
    """How a server is started: ``command`` is told its folder and port, and writes what it needs into the folder. Raises MissingError."""

    name: str
    command: Callable[[Path, int], Sequence[str]]
    registry: bool = True


def _storectl(folder: Path, port: int) -> Sequence[str]:
    return [
        storectl(),
        "--root",
        str(folder / "store"),
        "serve",
        "-q",
        "--listen",
        f"127.0.0.1:{port}",
    ]


def _nginx(folder: Path, port: int) -> Sequence[str]:
    (folder / "files").mkdir()
    paths = " ".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"worker_processes auto; daemon off; user root; pid {folder}/pid; error_log"
        f" {folder}/error;\nevents {{ worker_connections 1024; }}\nhttp {{ sendfile on; tcp_nopush"
        f" on; access_log off; keepalive_requests 10000000; {paths}\nserver {{ listen"
        f" 127.0.0.1:{port}; root {folder}/files; }} }}\n"
    )
    return [program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def _distribution(name: str, *, newest: bool) -> Callable[[Path, int], Sequence[str]]:
    def command(folder: Path, port: int) -> Sequence[str]:
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        (folder / "config.yml").write_text(json.dumps(settings))
        return [program(name, newest=newest), "serve", str(folder / "config.yml")]

    return command


def _olareg(folder: Path, port: int) -> Sequence[str]:
    return [
        program("olareg", newest=True),
        "serve",
        "--addr",
        "127.0.0.1",
        "--port",
        str(port),
        "--dir",
        str(folder / "data"),
        "--store-type",
        "dir",
    ]


def _zot(folder: Path, port: int) -> Sequence[str]:
    settings = {
        "distSpecVersion": "1.1.1",
        # At its fastest: it neither collects nor looks for equal blobs while it serves.
        "storage": {"rootDirectory": str(folder / "data"), "gc": False, "dedupe": False},
        # Without, it takes nothing that Docker pushes.
        "http": {"address": "127.0.0.1", "port": str(port), "compat": ["docker2s2"]},
        "log": {"level": "error"},
    }
    (folder / "zot.json").write_text(json.dumps(settings))
    return [program("zot", newest=True), "serve", str(folder / "zot.json")]


SERVERS: Final = {
    one.name: one
    for one in (
        Software(OURS, _storectl),
        Software(NGINX, _nginx, registry=False),
        Software(REGISTRY, _distribution("docker-registry", newest=False)),
        Software(NEWEST_REGISTRY, _distribution("registry-3", newest=True)),
        Software(OLAREG, _olareg),
        Software(ZOT, _zot),
    )
}


@dataclass(slots=True)
class Running:
    """A server that runs, in a folder of its own."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def daemon(self) -> Daemon:
        """Its processes."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return Daemon(tuple(found))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPMessage:
        """One exchange. Raises RuntimeError when it is refused."""
        # In large pieces: otherwise it is the client that a push waits for.
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=300, blocksize=1 << 18
        )
        try:
            connection.request(method, path, body, headers or {})
            with connection.getresponse() as answer:
                said = answer.read()
                if answer.status >= http.client.BAD_REQUEST:
                    raise RuntimeError(f"{method} {path}: {answer.status} {said[:500]!r}")
                return answer.headers
        finally:
            connection.close()

    def push_blob(self, file: Path, digest: str) -> None:
        """Push a file in one piece, which every registry knows."""
        place = self.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/", b"")["Location"].replace(
            f"http://127.0.0.1:{self.port}", ""
        )
        with file.open("rb") as body:
            length = {
                "Content-Length": str(file.stat().st_size),
                "Content-Type": "application/octet-stream",
            }
            self.request(
                "PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", body, length
            )

    def push_image(self, layers: Sequence[Path], tag: str = "1") -> bytes:
        """Push an image of these layers; its manifest."""
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [digest_of(one) for one in layers]},
            }
        ).encode()
        small = self.folder / "config.json"
        small.write_bytes(config)
        for one in (small, *layers):
            self.push_blob(one, digest_of(one))
        described = [
            {"mediaType": LAYER, "digest": digest_of(one), "size": one.stat().st_size}
            for one in layers
        ]
        about = {"mediaType": CONFIG, "digest": digest_of(small), "size": len(config)}
        manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": about, "layers": described}
        ).encode()
        self.request(
            "PUT", f"/v2/{REPOSITORY}/manifests/{tag}", manifest, {"Content-Type": MANIFEST}
        )
        return manifest

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(shop: Workshop, software: Software) -> Running:
    """Start a server in a new folder. Raises MissingError."""
    folder = shop.folder()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = software.command(folder, port)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    priority.also(process.pid)
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return Running(port, folder, process)
        time.sleep(0.02)
    process.kill()
    raise MissingError(
        f"{software.name} does not start: {(folder / 'log').read_text(errors='replace')[-500:]}"
    )


_DIGESTS: Final[dict[Path, str]] = {}


def digest_of(file: Path) -> str:
    """The digest of a file, remembered for those that do not change."""
    if file.name == "config.json" or file not in _DIGESTS:
        with file.open("rb") as opened:
            _DIGESTS[file] = f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    return _DIGESTS[file]


@dataclass(slots=True)
class Served:
    """A server that is started and fed once for all rounds of a case.

    ``feed`` puts what the case is about into it, and says what clients ask for and how many bytes
    the body has.
    """

    name: str
    shop: Workshop
    feed: Callable[[Running], tuple[str, int]]
    _running: Running | None = None
    _asked: tuple[str, int] = ("", 0)

    def ready(self) -> tuple[Running, str, int]:
        """The server, and what it is asked for. Raises MissingError."""
        if self._running is None:
            running = start(self.shop, SERVERS[self.name])
            self.shop.on_settle(lambda: remove(running))
            self._asked = self.feed(running)
            self._running = running
        return self._running, *self._asked


def remove(running: Running) -> None:
    """End it, and take its folder away."""
    running.stop()
    shutil.rmtree(running.folder, ignore_errors=True)


def load(
    running: Running, clients: int, times: int, size_bytes: int, path: str
) -> subprocess.Popen[str]:
    """Clients that ask for it, started."""
    command = [
        sys.executable,
        "-m",
        "bench.load",
        str(running.port),
        str(clients),
        str(times),
        str(size_bytes),
        path,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(clients: subprocess.Popen[str]) -> dict[str, float]:
    """What they found. Raises CalledProcessError."""
    said, _ = clients.communicate()
    if clients.returncode:
        raise subprocess.CalledProcessError(clients.returncode, clients.args)
    found: dict[str, float] = json.loads(said)
    return found


@dataclass(slots=True)
class Asked:
    """A server, asked by clients that cost nothing.

    ``cpu_s`` and ``peak_bytes`` are the server's alone; ``first_byte_s`` is the longest wait for an
    answer.
    """

    served: Served
    clients: int
    times: int

    @property
    def name(self) -> str:
        """See `Contestant`."""
        return self.served.name

    def prepare(self) -> None:
        """See `Contestant`: files are in the page cache, and code has run once.

        Raises MissingError.
        """
        running, path, size = self.served.ready()
        told(load(running, 1, 1, size, path))
        workshop.sync()

    def run(self) -> Sample:
        """See `Contestant`."""
        running, path, size = self.served.ready()
        daemon = running.daemon()
        daemon.begin()
        found = told(load(running, self.clients, self.times, size, path))
        return Sample(
            found["wall_s"],
            daemon.spent_s(),
            sum(map(peak_of, daemon.pids)),
            extra={"first_byte_s": found["first_byte_s"]},
        )

    def clean(self) -> None:
        """See `Contestant`."""


@dataclass(slots=True)
class Beside:
    """Requests for something small while as many clients as there may be ask for something that is work: how long the small ones wait."""

    name: str
    busy: Served
    small: Served
    clients: int
    times: int

    def prepare(self) -> None:
        """See `Contestant`. Raises MissingError."""
        running, path, size = self.busy.ready()
        told(load(running, 1, 1, size, path))

    def run(self) -> Sample:
        """See `Contestant`."""
        running, path, size = self.busy.ready()
        small, small_size = self.small.feed(running)
        daemon = running.daemon()
        daemon.begin()
        working = load(running, self.clients, 1, size, path)
        time.sleep(0.3)
        began = time.perf_counter()
        waits: list[float] = []
        while working.poll() is None and len(waits) < self.times:
            waits.append(told(load(running, 1, 50, small_size, small))["first_byte_s"])
        found = told(working)
        extra = {"slowest_manifest_s": max(waits), "beside_s": time.perf_counter() - began}
        return Sample(
            found["wall_s"], daemon.spent_s(), sum(map(peak_of, daemon.pids)), extra=extra
        )

    def clean(self) -> None:
        """See `Contestant`."""


@dataclass(slots=True)
class Listing:
    """Every page of the catalog, and every page of the tags of some repositories, of a storectl that serves a store with very many of both."""

    name: str
    shop: Workshop
    store: Callable[[], Path]
    _running: list[Running] = field(default_factory=list)

    def prepare(self) -> None:
        """See `Contestant`. Raises MissingError."""

        def command(folder: Path, port: int) -> Sequence[str]:
            shutil.copytree(self.store(), folder / "store")
            return _storectl(folder, port)

        self._running.append(start(self.shop, Software(OURS, command)))
        workshop.sync()

    def run(self) -> Sample:
        """See `Contestant`: ``first_bytes`` is the server's peak after the first page, to compare with the peak after all of them."""
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
        """See `Contestant`."""
        while self._running:
            remove(self._running.pop())


@dataclass(slots=True)
class Pushing:
    """A blob pushed to an empty server that runs already: until the answer that it is stored."""

    name: str
    shop: Workshop
    file: Callable[[], Path]
    _running: list[Running] = field(default_factory=list)

    def prepare(self) -> None:
        """See `Contestant`. Raises MissingError."""
        self._running.append(start(self.shop, SERVERS[self.name]))
        workshop.warm(self.file())
        digest_of(self.file())
        workshop.sync()

    def run(self) -> Sample:
        """See `Contestant`."""
        (running,) = self._running
        daemon = running.daemon()
        daemon.begin()
        began = time.perf_counter()
        running.push_blob(self.file(), digest_of(self.file()))
        return Sample(time.perf_counter() - began, daemon.spent_s(), sum(map(peak_of, daemon.pids)))

    def clean(self) -> None:
        """See `Contestant`."""
        while self._running:
            remove(self._running.pop())
