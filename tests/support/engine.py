"""A Docker Engine for the tests, with its own socket and folder.

The socket and the folder are removed when the engine stops. The tests use the engine's HTTP API:
they need no docker client, and see the engine's answers before a client rephrases them.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, final
from urllib.parse import quote, urlencode

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

API: Final = "/v1.41"
"""The API version of Docker Engine 20.10.

If a request's path has no version, a newer engine answers in its own API version.
"""

VERSION: Final = "20.10."
"""The default version of the engine (docs/formats/docker-archive.md)."""

BUILT: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storectl-peers"
"""The folder where scripts/build_peers.sh puts its programs.

The path is read on import, because tests have a different home directory.
"""

ANSWER_TIMEOUT_S: Final = 900
START_TIMEOUT_S: Final = 180
STOP_TIMEOUT_S: Final = 30
CHUNK: Final = 1 << 20
SEARCH_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:{BUILT}"
"""The folders with peers. Debian has daemons in folders that a user's PATH does not name."""


class EngineError(Exception):
    """The engine did not work: the fault is in the tests or the machine, not in an archive."""


class EngineRefusal(EngineError):
    """The engine refused a request; the exception has the engine's message."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=ANSWER_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_TIMEOUT_S)
        self.sock.connect(str(self._path))


@final
class Engine:
    """A ``dockerd`` of the tests, started on construction.

    Call `wait` before the first request, and always call `stop`.

    overlay2 is tried first. If the folder's file system does not support overlay2, as in a
    container, the engine starts again with vfs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "dockerd",
        version: str = VERSION,
        drivers: tuple[str, str] = ("overlay2", "vfs"),
        options: Sequence[str] = (),
    ) -> None:
        """Start the program ``name`` of this version, with the first of ``drivers``."""
        self._program = program(name)
        self._version = version
        self._options = options
        self.data = folder / "data"
        # The path of a Unix socket has at most 107 bytes, and pytest's folders alone may have more.
        self._run = Path(tempfile.mkdtemp(prefix="engine-"))
        self._log = self._run / "log"
        self.socket = self._run / "engine.sock"
        self.driver, self._other_driver = drivers
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            self._program,
            f"--storage-driver={self.driver}",
            "--iptables=false",
            "--bridge=none",
            f"--data-root={self.data}",
            f"--exec-root={self._run}/exec",
            f"--pidfile={self._run}/pid",
            f"--host=unix://{self.socket}",
            # dockerd uses a containerd that already runs on this machine: namespaces of our own
            # keep the tests' data apart.
            "--containerd-namespace=storectl-interop",
            "--containerd-plugins-namespace=storectl-interop-plugins",
            *self._options,
        ]
        if guard := shutil.which("setpriv"):
            # The engine ends with the tests, even when they are killed.
            command = [guard, "--pdeathsig", "TERM", "--", *command]
        with self._log.open("ab") as log:
            # Run the engine in UTC, because every v1 ID depends on the zone (docker-archive.md §2).
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "TZ": "UTC"},
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until the engine answers.

        Raises:
            EngineError: The engine does not answer in time, or has a different version. The message
                has the end of its log, or the version.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/_ping")[0] == http.client.OK:
                    self._require_version()
                    return
            if self._process.poll() is not None:
                if self.driver == self._other_driver:
                    break
                self.driver = self._other_driver
                self._process = self._start()
            time.sleep(0.05)
        raise EngineError(f"dockerd does not answer:\n{self.log_tail()}")

    def _require_version(self) -> None:
        version = json.loads(self.request("GET", "/version")[1])["Version"]
        if not version.startswith(self._version):
            raise EngineError(
                f"these tests compare with Docker Engine {self._version}x, and {self._program} is"
                f" {version}"
            )

    def pids(self) -> tuple[int, ...]:
        """Return the process IDs of the engine and of its containerd."""
        containerd = _pid_in(self._run / "exec" / "containerd" / "containerd.pid")
        return (self._process.pid, *(() if containerd is None else (containerd,)))

    def log_tail(self) -> str:
        """Return the last lines of the engine's log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-25:])

    def stop(self) -> None:
        """End the engine, its containerd and its mounts, and remove its folders."""
        containerd = _pid_in(self._run / "exec" / "containerd" / "containerd.pid")
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if containerd is not None:
            _await_end(containerd)
        for point in _mounts_below(self.data, self._run):
            subprocess.run(["umount", "-l", point], check=True)
        for folder in (self.data, self._run):
            shutil.rmtree(folder, ignore_errors=True)

    # --- the API ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def answer(
        self,
        method: str,
        path: str,
        body: BinaryIO | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request, and yield the answer for the caller to read.

        A file is sent from its current position, with its size as the length.
        """
        connection = _Connection(self.socket)
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", "application/x-tar")
        try:
            connection.request(method, API + path, body, sent)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def request(
        self, method: str, path: str, body: BinaryIO | bytes | None = None
    ) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body."""
        with self.answer(method, path, body) as response:
            return response.status, response.read()

    def load(self, archive: bytes | BinaryIO) -> list[dict[str, Any]]:
        """Load an archive; return the engine's messages, with an error if the engine refuses."""
        status, body = self.request("POST", "/images/load", archive)
        if status != http.client.OK:
            return [{"error": json.loads(body)["message"]}]
        return [json.loads(line) for line in body.splitlines() if line.strip()]

    def save(self, names: Sequence[str]) -> bytes:
        """Return the archive that ``docker save`` writes.

        Raises:
            EngineRefusal: The engine refused the save.
            EngineError: The archive ends in the middle.
        """
        buffer = io.BytesIO()
        self.save_to(names, buffer)
        return buffer.getvalue()

    def save_to(self, names: Sequence[str], sink: BinaryIO) -> None:
        """Write the archive that ``docker save`` writes to ``sink``.

        Raises:
            EngineRefusal: The engine refused the save.
            EngineError: The archive ends in the middle.
        """
        with self.answer(
            "GET", f"/images/get?{urlencode([('names', name) for name in names])}"
        ) as response:
            if response.status != http.client.OK:
                raise EngineRefusal(json.loads(response.read())["message"])
            try:
                shutil.copyfileobj(response, sink, CHUNK)
            except http.client.IncompleteRead as exc:
                raise EngineError(
                    f"docker save {' '.join(names)} broke off: {self.log_tail()}"
                ) from exc

    def inspect(self, name: str) -> dict[str, Any]:
        """Return the engine's description of an image.

        Raises:
            EngineRefusal: The engine has no such image.
        """
        status, body = self.request("GET", f"/images/{quote(name)}/json")
        found: dict[str, Any] = json.loads(body)
        if status != http.client.OK:
            raise EngineRefusal(found["message"])
        return found

    def build(
        self,
        context: BinaryIO,
        tag: str,
        arguments: Mapping[str, str] | None = None,
        *,
        dockerfile: str = "Dockerfile",
    ) -> None:
        """Build an image from a tar with a ``dockerfile``, on the machine's network.

        Raises:
            EngineError: A step of the build failed; the message has its output.
        """
        options = {
            "t": tag,
            "dockerfile": dockerfile,
            "networkmode": "host",
            "version": "1",
            "rm": "1",
            "forcerm": "1",
            "buildargs": json.dumps(dict(arguments or {})),
        }
        said: list[dict[str, Any]] = []
        with self.answer("POST", f"/build?{urlencode(options)}", context) as response:
            said.extend(json.loads(line) for line in response)
        if response.status != http.client.OK or any("error" in message for message in said):
            raise EngineError(
                "docker build: "
                + "".join(
                    message.get("stream") or message.get("error") or message.get("message") or ""
                    for message in said[-40:]
                )
            )

    def events(self, since: float, until: float) -> list[dict[str, Any]]:
        """Return the engine's events between two times, in seconds since the epoch."""
        _, body = self.request("GET", f"/events?since={since:.9f}&until={until:.9f}")
        return [json.loads(line) for line in body.splitlines() if line.strip()]

    def remove(self, names: Iterable[str]) -> None:
        """Remove images by force; absent images are ignored."""
        for name in names:
            self.request("DELETE", f"/images/{quote(name)}?force=1&noprune=1")

    def clear(self) -> None:
        """Remove every image."""
        while found := json.loads(self.request("GET", "/images/json?all=1")[1]):
            self.remove(image["Id"] for image in found)

    def __enter__(self) -> Self:
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


def program(name: str) -> str:
    """Return the path of a peer's program.

    Raises:
        EngineError: The program is not installed.
    """
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise EngineError(f"{name} is not installed")
    return found


def require(*names: str) -> None:
    """Skip the test if a program of ``names`` is missing, or if the user is not root.

    With STORECTL_INTEROP=1 the test fails instead. It is still skipped if STORECTL_WITHOUT lists
    everything that is missing because this machine cannot build it.
    """
    missing = [name for name in names if shutil.which(name, path=SEARCH_PATH) is None]
    if os.geteuid() != 0:
        missing.append("root's rights")
    if not missing:
        return
    message = (
        f"this test needs {', '.join(missing)} (scripts/build_peers.sh builds programs"
        " that Debian lacks)"
    )
    if os.environ.get("STORECTL_INTEROP") and not set(missing) <= set(
        os.environ.get("STORECTL_WITHOUT", "").split()
    ):
        pytest.fail(f"{message}, and STORECTL_INTEROP says that it must run", pytrace=False)
    pytest.skip(message)


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _await_end(pid: int) -> None:
    """Wait until a daemon's child has ended; kill it after `STOP_TIMEOUT_S`."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _mounts_below(*folders: Path) -> list[str]:
    """Return the mount points inside ``folders``, the deepest first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(
        (
            point
            for point in points
            if any(Path(point).is_relative_to(folder) for folder in folders)
        ),
        key=len,
        reverse=True,
    )
