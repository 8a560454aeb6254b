"""Peers as processes: their environment, servers, ports and error messages."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, final

from tests.support.engine import SEARCH_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

COMMAND_TIMEOUT_S: Final = 500
START_TIMEOUT_S: Final = 180
STOP_TIMEOUT_S: Final = 30


class PeerError(Exception):
    """A peer's server did not start: the fault is in the machine, so the test has no result."""


@final
class PeerRefusal(Exception):
    """A peer refused a command; ``message`` is the part of the peer's error that no run changes."""

    def __init__(self, command: Sequence[str], said: str) -> None:
        self.message = essence(said)
        super().__init__(f"{' '.join(command)}: {said}")


@final
class Programs:
    """A runner of peers, in an environment with its own home, temporary and runtime folders."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        for name in ("home", "temporary", "run"):
            (folder / name).mkdir(parents=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DOCKER_HOST", "CONTAINERS_CONF", "REGISTRY_AUTH_FILE"}
        }
        own = {
            "HOME": f"{folder}/home",
            "TMPDIR": f"{folder}/temporary",
            "XDG_RUNTIME_DIR": f"{folder}/run",
            "PATH": SEARCH_PATH,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        self.environment = {**kept, **own, **environment}

    def run(self, *command: str | Path, stdin: Path | None = None, cwd: Path | None = None) -> str:
        """Run a command; return its standard output.

        Raises:
            PeerRefusal: The command failed.
        """
        words = [str(word) for word in command]
        with contextlib.ExitStack() as stack:
            source = subprocess.DEVNULL if stdin is None else stack.enter_context(stdin.open("rb"))
            done = subprocess.run(
                words,
                stdin=source,
                capture_output=True,
                text=True,
                check=False,
                env=self.environment,
                timeout=COMMAND_TIMEOUT_S,
                cwd=cwd or self.folder,
            )
        if done.returncode != 0:
            raise PeerRefusal(
                words,
                done.stderr.strip()
                or done.stdout.strip()
                or f"exit code {done.returncode}, without a word",
            )
        return done.stdout


@final
class Server:
    """A peer's daemon, started on construction; call `await_start`, and always call `stop`."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str]
    ) -> None:
        words = [str(word) for word in command]
        if guard := shutil.which("setpriv"):
            # End the server with the tests, even if they are killed.
            words = [guard, "--pdeathsig", "TERM", "--", *words]
        self._log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=dict(environment),
                start_new_session=True,
            )

    def await_start(self, ready: Callable[[], bool]) -> Self:
        """Wait until ``ready`` is true.

        Raises:
            PeerError: The server is not ready in time; the message has the end of its log.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if ready():
                return self
            time.sleep(0.05)
        self.stop()
        raise PeerError("\n".join(self._log.read_text(errors="replace").splitlines()[-25:]))

    def stop(self) -> None:
        """End the daemon and its children."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def free_port() -> int:
    """Return a free TCP port of the loopback interface, for a program that cannot choose one.

    The port is below the range that the system gives to clients and to servers that ask for any
    port (ip_local_port_range in ip(7)). So no other process gets the port before the program
    listens.
    """
    given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = random.SystemRandom().sample(range(given_out // 2, given_out), 100)
    for port in candidates:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise PeerError(f"no port below {given_out} is free")


def listens(port: int) -> bool:
    """Return whether a process listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


_LOGRUS: Final = re.compile(r'^time="[^"]*" level=\w+ msg="(?P<message>(?:[^"\\]|\\.)*)".*$')
_VARYING: Final = (
    (re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d "), ""),
    (re.compile(r"127\.0\.0\.1:\d+"), "REGISTRY"),
    (re.compile(r"\bsha256:[0-9a-f]{64}\b"), "sha256:…"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "…"),
    (re.compile(r"(?<![\w/])/(?:[^\s:,\"'`)/]+/)+([^\s:,\"'`)/]+)"), r"…/\1"),
    (re.compile(r"\b(?:dir|oci|storage)\d{5,}"), "…"),
)


def essence(said: str) -> str:
    """Return an error's last line, or its list of errors, without the parts that vary by run."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    line = " ".join(lines) if lines[-1].startswith("* ") else lines[-1]
    if match := _LOGRUS.match(line):
        line = match["message"].replace('\\"', '"').replace("\\\\", "\\")
    for pattern, replacement in _VARYING:
        line = pattern.sub(replacement, line)
    return line
