"""Start servers: storectl, other registries, and nginx with the same bytes in files."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bench.measuring import priority
from bench.measuring.measure import Daemon
from bench.missing import MissingError
from bench.workshop import program, storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.workshop import Workshop

OURS: Final = "storectl"
NGINX: Final = "nginx"
REGISTRY: Final = "docker-registry 2.8"
NEWEST_REGISTRY: Final = "distribution 3"
COUNTED_REGISTRY: Final = f"{NEWEST_REGISTRY}, with a log of its requests"
OLAREG: Final = "olareg"
ZOT: Final = "zot"

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
REPOSITORY: Final = "bench/image"

_START_S: Final = 30.0

_REQUEST: Final = re.compile(rb'"[A-Z]+ /v2/[^" ]* HTTP/1\.[01]"')
"""A request in an access log of Apache's format."""


@dataclass(frozen=True, slots=True)
class Software:
    """A server program, with its name and the command line that starts it.

    Attributes:
        name: The contestant's name in the results.
        command: Writes the configuration into a folder, and returns the command line for the folder
            and a port; raises MissingError.
    """

    name: str
    command: Callable[[Path, int], Sequence[str]]


def storectl_server(folder: Path, port: int) -> Sequence[str]:
    """Return the command line that serves the store in ``folder`` on a port with storectl."""
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


def _distribution(
    name: str, *, newest: bool, is_logged: bool = False
) -> Callable[[Path, int], Sequence[str]]:
    def command(folder: Path, port: int) -> Sequence[str]:
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": not is_logged}},
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
        # The fastest settings: no garbage collection and no deduplication during the measurement.
        "storage": {"rootDirectory": str(folder / "data"), "gc": False, "dedupe": False},
        # Without this setting, zot refuses manifests that Docker pushes.
        "http": {"address": "127.0.0.1", "port": str(port), "compat": ["docker2s2"]},
        "log": {"level": "error"},
    }
    (folder / "zot.json").write_text(json.dumps(settings))
    return [program("zot", newest=True), "serve", str(folder / "zot.json")]


SERVERS: Final = {
    one.name: one
    for one in (
        Software(OURS, storectl_server),
        Software(NGINX, _nginx),
        Software(REGISTRY, _distribution("docker-registry", newest=False)),
        Software(NEWEST_REGISTRY, _distribution("registry-3", newest=True)),
        Software(COUNTED_REGISTRY, _distribution("registry-3", newest=True, is_logged=True)),
        Software(OLAREG, _olareg),
        Software(ZOT, _zot),
    )
}


@dataclass(slots=True)
class Running:
    """A running server.

    Attributes:
        port: The port on 127.0.0.1.
        folder: The folder of the server's configuration, data and log.
        process: The server's first process.
    """

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def request_count(self) -> int:
        """Return how many requests the log of the server has; 0 for a server without such a log."""
        return len(_REQUEST.findall((self.folder / "log").read_bytes()))

    def daemon(self) -> Daemon:
        """Return the server's processes, including all children."""
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
        """Send a request, and return the headers of the response.

        Args:
            method: The HTTP method.
            path: The path and query on the server.
            body: The body of the request; None for no body.
            headers: Additional headers.

        Raises:
            RuntimeError: The server refused the request.
        """
        # Send large chunks, so that the server does not wait for this client.
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
        """Push a blob with POST and a single PUT; every registry supports this kind of push."""
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
        """Push an image with the given layers, and return its manifest."""
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
        """Stop the server."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(shop: Workshop, software: Software) -> Running:
    """Start a server in a new folder, and wait until it accepts connections.

    Args:
        shop: Creates the folder.
        software: The server program to start.

    Raises:
        MissingError: The program is missing or does not start.
    """
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
    """Return the digest of a file; every digest but that of ``config.json`` is cached."""
    if file.name == "config.json" or file not in _DIGESTS:
        with file.open("rb") as opened:
            _DIGESTS[file] = f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    return _DIGESTS[file]


@dataclass(slots=True)
class Served:
    """A server that is started and filled once for all rounds of a case.

    Attributes:
        name: The server's name in `SERVERS`.
        shop: Creates the folder.
        feed: Fills the server, and returns the path that clients request and the size of the
            response body, in bytes.
    """

    name: str
    shop: Workshop
    feed: Callable[[Running], tuple[str, int]]
    _running: Running | None = None
    _asked: tuple[str, int] = ("", 0)

    def ready(self) -> tuple[Running, str, int]:
        """Return the server, the path that clients request, and the size of the response body.

        Raises:
            MissingError: The program is missing or does not start.
        """
        if self._running is None:
            running = start(self.shop, SERVERS[self.name])
            self.shop.on_settle(lambda: remove(running))
            self._asked = self.feed(running)
            self._running = running
        return self._running, *self._asked

    def requests(self) -> int:
        """Return how many requests the server has logged so far."""
        return self.ready()[0].request_count()


def remove(running: Running) -> None:
    """Stop a server, and remove its folder."""
    running.stop()
    shutil.rmtree(running.folder, ignore_errors=True)
