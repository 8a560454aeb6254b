"""A Docker engine in this process, with the answers of Docker 20.10 on a Unix socket."""

from __future__ import annotations

import hashlib
import io
import json
import socketserver
import tarfile
import tempfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast, final
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from tests.support.images import Archive


@final
class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    engine: FakeEngine


@final
class FakeEngine:
    """An engine with images; use it as a context manager.

    Attributes:
        socket: The path of its socket.
        version: What ``/version`` answers.
        info: What ``/info`` answers.
        images: The diff IDs of each image, by its ID.
        names: The ID that each name stands for.
        archives: The names of the files of every archive that was loaded.
        forgets: Whether the engine removes its layers before it loads an image.
        cuts: Whether a save ends early.
        refusal: The error with which every load ends; empty for none.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="engine-")
        self.socket = Path(self._folder.name) / "s"
        self.version: Any = {"Version": "20.10.24", "Os": "linux", "Arch": "amd64"}
        self.info: Any = {"DriverStatus": [["Backing Filesystem", "extfs"]]}
        self.images: dict[str, list[str]] = {}
        self.names: dict[str, str] = {}
        self.saved: dict[str, bytes] = {}
        self.archives: list[list[str]] = []
        self.forgets = False
        self.cuts = False
        self.refusal = ""

    def __enter__(self) -> Self:
        self._server = _Server(str(self.socket), _Handler)
        self._server.engine = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._folder.cleanup()

    def keep(self, name: str, archive: Archive) -> None:
        """Let the engine save an archive under a name."""
        self.saved[name] = archive.bytes()

    def load(self, data: bytes) -> list[dict[str, str]]:
        """Load an archive; return the engine's messages."""
        if self.refusal:
            return [{"error": self.refusal}]
        if self.forgets:
            self.images, self.forgets = {}, False
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            files = {one.name: archive.extractfile(one) for one in archive if one.isfile()}
            read = {name: file.read() for name, file in files.items() if file is not None}
        self.archives.append(sorted(read))
        said = []
        for image in json.loads(read["manifest.json"]):
            config = read[image["Config"]]
            diff_ids = json.loads(config)["rootfs"]["diff_ids"]
            for count, path in enumerate(image["Layers"]):
                chain = diff_ids[: count + 1]
                if any(one[: count + 1] == chain for one in self.images.values()):
                    continue
                if path not in read:
                    return [{"error": f"open {path}: no such file or directory"}]
            identity = f"sha256:{hashlib.sha256(config).hexdigest()}"
            self.images[identity] = diff_ids
            for name in image["RepoTags"]:
                self.names[name] = identity
                said.append({"stream": f"Loaded image: {name}\n"})
        return said


@final
class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        engine = cast("_Server", self.server).engine
        url = urlsplit(self.path)
        path = unquote(url.path)
        if path == "/version":
            self._answer(200, engine.version)
        elif path == "/info":
            self._answer(200, engine.info)
        elif path == "/images/json":
            self._answer(200, [{"Id": identity} for identity in engine.images])
        elif path == "/images/get":
            self._save(engine, parse_qs(url.query)["names"][0])
        else:
            name = path.removeprefix("/images/").removesuffix("/json")
            identity = engine.names.get(name, name)
            if identity in engine.images:
                layers = {"Type": "layers", "Layers": engine.images[identity]}
                self._answer(200, {"Id": identity, "RootFS": layers})
            else:
                self._answer(404, {"message": f"No such image: {name}"})

    def do_POST(self) -> None:
        engine = cast("_Server", self.server).engine
        data = self.rfile.read(int(self.headers["Content-Length"]))
        said = engine.load(data)
        self._send(200, b"".join(json.dumps(one).encode() + b"\r\n" for one in said))

    def _save(self, engine: FakeEngine, name: str) -> None:
        data = engine.saved.get(name)
        if data is None:
            self._answer(404, {"message": "reference does not exist"})
        elif engine.cuts:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
        else:
            self._send(200, data)

    def _answer(self, status: int, value: object) -> None:
        self._send(status, value if isinstance(value, bytes) else json.dumps(value).encode())

    def _send(self, status: int, data: bytes) -> None:
        with suppress(BrokenPipeError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class
        pass
