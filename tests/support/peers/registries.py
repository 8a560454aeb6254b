"""Registries of other projects, and storectl itself, as servers on the loopback interface."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import bcrypt

from tests.support.engine import SEARCH_PATH, program
from tests.support.mirror_process import Mirror
from tests.support.peers.process import Programs, Server, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

USER: Final = ("alice", "correct horse")


@final
@dataclass(frozen=True)
class Software:
    """A registry's program.

    Attributes:
        title: The name of the registry in the results of the tests.
        program: The program.
        command: Writes the configuration into a folder, and returns the command line for the folder
            and a port.
        is_guarded: Whether the registry has TLS and lets only `USER` in.
    """

    title: str
    program: str
    command: Callable[[Path, int], list[str]]
    is_guarded: bool = False

    @property
    def missing(self) -> str:
        """Return why the registry cannot be started; empty if it can."""
        if self.program == "storectl" or shutil.which(self.program, path=SEARCH_PATH):
            return ""
        return f"needs {self.program}: scripts/build_peers.sh {self.program}"


def _distribution(name: str, *, is_guarded: bool = False) -> Callable[[Path, int], list[str]]:
    def command(folder: Path, port: int) -> list[str]:
        settings: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": f"{folder}/data"}},
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        if is_guarded:
            _certificate(folder)
            user, password = USER
            hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(5)).decode()
            (folder / "users").write_text(f"{user}:{hashed}\n")
            settings["http"] = {
                "addr": f"127.0.0.1:{port}",
                "tls": {"certificate": f"{folder}/cert", "key": f"{folder}/key"},
            }
            settings["auth"] = {"htpasswd": {"realm": "test", "path": f"{folder}/users"}}
        (folder / "config.yml").write_text(json.dumps(settings))
        return [program(name), "serve", f"{folder}/config.yml"]

    return command


def _zot(folder: Path, port: int) -> list[str]:
    settings = {
        "distSpecVersion": "1.1.1",
        "storage": {"rootDirectory": f"{folder}/data", "gc": False},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
    }
    (folder / "zot.json").write_text(json.dumps(settings))
    return [program("zot"), "serve", f"{folder}/zot.json"]


def _olareg(folder: Path, port: int) -> list[str]:
    place = ("--addr", "127.0.0.1", "--port", str(port), "--dir", f"{folder}/data")
    return [program("olareg"), "serve", *place, "--store-type", "dir"]


def _storectl(_folder: Path, _port: int) -> list[str]:
    raise NotImplementedError


STORECTL: Final = Software("storectl", "storectl", _storectl)
REGISTRIES: Final = (
    Software(
        "docker-registry 2.8 with TLS and a user",
        "docker-registry",
        _distribution("docker-registry", is_guarded=True),
        is_guarded=True,
    ),
    Software("distribution 3.1", "registry-3", _distribution("registry-3")),
    Software("zot 2.1", "zot", _zot),
    Software("olareg 0.2", "olareg", _olareg),
    STORECTL,
)


@final
class RunningRegistry:
    """A registry that a test starts; use it as a context manager.

    Attributes:
        host: The registry as references name it.
        environment: The variables with which storectl reaches it.
    """

    def __init__(self, software: Software, folder: Path) -> None:
        folder.mkdir()
        self.environment: dict[str, str] = {}
        if software is STORECTL:
            mirror = Mirror(folder / "store", "-q")
            self.host, self.url = mirror.host, f"http://{mirror.host}"
            self._stop: Callable[[], object] = mirror.stop
            return
        port = free_port()
        command = software.command(folder, port)
        programs = Programs(folder / "programs", OTEL_TRACES_EXPORTER="none")
        server = Server(command, folder / "log", programs.environment)
        self._stop = server.await_start(lambda: listens(port)).stop
        self.host = f"{'localhost' if software.is_guarded else '127.0.0.1'}:{port}"
        self.url = f"{'https' if software.is_guarded else 'http'}://{self.host}"
        if software.is_guarded:
            account = base64.b64encode(":".join(USER).encode()).decode()
            (folder / "config.json").write_text(
                json.dumps({"auths": {self.host: {"auth": account}}})
            )
            self.environment = {
                "DOCKER_CONFIG": str(folder),
                "SSL_CERT_FILE": str(folder / "cert"),
            }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop()


def _certificate(folder: Path) -> None:
    command = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", f"{folder}/key", "-out", f"{folder}/cert"),
    )
    subprocess.run(command, check=True, capture_output=True, timeout=60)
