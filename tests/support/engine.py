"""A Docker Engine of our own, on a socket of its own, in a folder of its own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class Engine:
    """Talks to the engine's HTTP API."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "engine.sock"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                "/usr/sbin/dockerd",
                "--storage-driver=vfs",
                "--iptables=false",
                "--bridge=none",
                f"--data-root={folder}/data",
                f"--exec-root={folder}/exec",
                f"--pidfile={folder}/pid",
                f"--host=unix://{self._socket}",
            ],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "TZ": "UTC"},
        )

    def wait(self) -> None:
        for _ in range(300):
            try:
                if self.request("GET", "/_ping")[0] == http.client.OK:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = _Connection(self._socket)
        try:
            connection.request(method, path, body, {"Content-Type": "application/x-tar"} if body is not None else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def load(self, archive: bytes) -> list[dict[str, Any]]:
        """The messages of a load, with the error in them if there is one."""
        _, body = self.request("POST", "/images/load", archive)
        return [json.loads(line) for line in body.splitlines() if line.strip()]

    def save(self, names: Sequence[str]) -> bytes:
        status, body = self.request("GET", "/images/get?" + "&".join(f"names={quote(name)}" for name in names))
        assert status == http.client.OK, body
        return body

    def clear(self) -> None:
        for one in json.loads(self.request("GET", "/images/json?all=1")[1]):
            self.request("DELETE", f"/images/{one['Id']}?force=1")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()
        subprocess.run(["umount", "-l", f"{self._folder}/exec/netns/default"], stderr=subprocess.DEVNULL, check=False)


def require(program: str) -> None:
    """Skip without a peer, saying so; with STORECTL_INTEROP its absence is a failure."""
    if shutil.which(program) is None or os.geteuid() != 0:
        message = f"needs {program}, and root to run it"
        if os.environ.get("STORECTL_INTEROP"):
            pytest.fail(message)
        pytest.skip(message)
